#include "report/cells.hpp"
#include "report/study_parts.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/text.hpp>
#include <onemask/report/overlap.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

std::string number_or_dash(double value, int decimals) {
  return std::isfinite(value) ? number(value, decimals) : "-";
}

/// The name of a mask without its seed: what masks of other seeds share.
std::string settings_of(ByteMatrix const& mask) {
  auto words = split_text(mask.attributes.at("name"), ' ');
  std::erase_if(words, [](auto const& word) { return word.starts_with("mask.seed="); });
  return join(words, " ", [](auto const& word) { return word; });
}

struct Pair {
  ByteMatrix const *a, *b;
  Overlap overlap;
};

bool have_one_start(Pair const& pair) {
  return pair.a->attributes.at("seed") == pair.b->attributes.at("seed");
}

/// In what the masks differ. Those of one start are apart, as they share its noise.
std::string name_of_pair(Pair const& pair) {
  auto a = settings_of(*pair.a), b = settings_of(*pair.b);
  if (a == b) return (a.empty() ? "" : a + ", ") + std::string("two seeds");
  if (b < a) std::swap(a, b);
  return a + " | " + b + (have_one_start(pair) ? ", same seed" : "");
}

/// In the order of the plan. Of a run in progress some may be missing.
std::vector<ByteMatrix const*> masks_of(StudyFile const& study) {
  constexpr std::string_view folder = "masks/";
  std::map<std::size_t, ByteMatrix const*> masks;
  for (auto const& [name, matrix] : study.matrices) {
    if (name.starts_with(folder)) masks[std::stoul(name.substr(folder.size()))] = &matrix;
  }
  std::vector<ByteMatrix const*> ordered;
  for (auto const& [number, mask] : masks) ordered.push_back(mask);
  return ordered;
}

/// Means over pairs that differ in the same way.
TextTable means(std::vector<Pair> const& pairs) {
  std::map<std::string, std::vector<Overlap>> groups;
  std::vector<std::string> order;
  for (auto const& pair : pairs) {
    auto const name = name_of_pair(pair);
    if (!groups.contains(name)) order.push_back(name);
    groups[name].push_back(pair.overlap);
  }
  TextTable table;
  table.add({"masks", "pairs", "zeros %", "IoU", "smallest", "largest", "by chance", "lift", "r of rows", "r of columns"});
  for (auto const& name : order) {
    auto const& of = groups.at(name);
    auto const mean = [&](auto value) {
      double sum = 0;
      for (auto const& overlap : of) sum += value(overlap);
      return sum / static_cast<double>(of.size());
    };
    auto const [least, most] =
        std::minmax_element(of.begin(), of.end(), [](auto const& a, auto const& b) { return a.iou < b.iou; });
    table.add({name, std::to_string(of.size()), percent(mean([](auto const& o) { return (o.zeros_a + o.zeros_b) / 2; })),
               number_or_dash(mean([](auto const& o) { return o.iou; }), 3), number_or_dash(least->iou, 3),
               number_or_dash(most->iou, 3), number_or_dash(mean([](auto const& o) { return o.chance; }), 3),
               number_or_dash(mean([](auto const& o) { return o.lift; }), 2),
               number_or_dash(mean([](auto const& o) { return o.rows; }), 2),
               number_or_dash(mean([](auto const& o) { return o.columns; }), 2)});
  }
  return table;
}

TextTable every_pair(std::vector<Pair> const& pairs) {
  TextTable table;
  table.add({"masks", "zeros %", "zeros %", "IoU", "95 % interval", "by chance", "lift", "r of rows", "r of columns"});
  for (auto const& [a, b, overlap] : pairs) {
    table.add({a->attributes.at("name") + " | " + b->attributes.at("name"), percent(overlap.zeros_a), percent(overlap.zeros_b),
               number_or_dash(overlap.iou, 3),
               fmt::format("[{}, {}]", number_or_dash(overlap.interval.low, 3), number_or_dash(overlap.interval.high, 3)),
               number_or_dash(overlap.chance, 3), number_or_dash(overlap.lift, 2), number_or_dash(overlap.rows, 2),
               number_or_dash(overlap.columns, 2)});
  }
  return table;
}

TextTable spreads(std::vector<ByteMatrix const*> const& masks, Spread (*spread_of)(ByteMatrix const&)) {
  TextTable table;
  table.add({"mask", "most zeros %", "5 % exceed %", "deviation %", "by chance %", "Gini", "lines with the most zeros"});
  for (auto const* mask : masks) {
    auto const spread = spread_of(*mask);
    table.add({mask->attributes.at("name"), percent(spread.largest), percent(spread.quantile), percent(spread.deviation),
               percent(spread.by_chance), number_or_dash(spread.gini, 2),
               join(spread.top, " ", [](auto const& line) { return std::to_string(line.first); })});
  }
  return table;
}

constexpr char const* definitions_of_overlap =
    "IoU: entries that both masks set to zero, of those that either does. by chance: of masks with as many zeros that know "
    "nothing\n"
    "of each other. lift: entries that both set to zero, by their number by chance. r: correlation of the shares of zeros of "
    "rows\n"
    "(hidden dimensions) and of columns (inner units). Interval: rows are resampled, 95 %.\n"
    "deviation: standard deviation of the lines' shares of zeros; by chance: where all entries are independent. 5 % exceed: 5 % "
    "of\n"
    "the lines have a larger share of zeros. Gini: 0 where all lines have as many, towards 1 where one has all.\n";

}  // namespace

Document overlap_document(StudyFile const& study, bool per_pair) {
  Document document{status_line(study), {}};
  std::map<std::string, std::vector<ByteMatrix const*>> by_layers;
  for (auto const* mask : masks_of(study)) by_layers[mask->attributes.at("layers")].push_back(mask);
  if (by_layers.empty()) throw UserError("The study has no mask yet whose zeros could be compared.");
  bool same_start = false;
  for (auto const& [layers, masks] : by_layers) {
    auto const where = (layers.find(' ') == std::string::npos ? ", layer " : ", layers ") + layers;
    std::vector<Pair> pairs;
    for (std::size_t b = 0; b < masks.size(); ++b) {
      for (std::size_t a = 0; a < b; ++a) {
        if (masks[a]->attributes.at("object") == masks[b]->attributes.at("object")) continue;  // two thresholds of one training
        pairs.push_back({masks[a], masks[b], overlap_of(*masks[a], *masks[b])});
        same_start = same_start || have_one_start(pairs.back());
      }
    }
    if (!pairs.empty()) document.blocks.push_back({"Overlap of masks" + where, means(pairs), ""});
    if (per_pair && !pairs.empty()) document.blocks.push_back({"Every pair" + where, every_pair(pairs), ""});
    document.blocks.push_back({"Zeros by row (hidden dimension)" + where, spreads(masks, spread_over_rows), ""});
    document.blocks.push_back({"Zeros by column (inner unit)" + where, spreads(masks, spread_over_columns), ""});
  }
  if (same_start) {
    constexpr char const* caution =
        "Some of these masks have the same seed. They start from the same numbers, so a part of their overlap is the noise of "
        "this "
        "start. Compare masks of different seeds.";
    document.blocks.push_back({"", {}, wrapped(caution, line_width)});
  }
  document.blocks.push_back({"", {}, definitions_of_overlap});
  return document;
}

}  // namespace onemask
