#include "report/cells.hpp"
#include "report/changes_at_zeros.hpp"
#include "report/study_parts.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/text.hpp>
#include <onemask/report/overlap.hpp>
#include <onemask/statistics/rank_correlation.hpp>

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
  double spearman;  ///< of the soft masks; NaN where they are not known
};

bool have_one_start(Pair const& pair) {
  auto const& seed = pair.a->attributes.at("seed");
  return seed == pair.b->attributes.at("seed") && seed != "consensus";  // which has no start
}

/// In what the masks differ. Those of one start are apart, as they share its noise.
std::string name_of_pair(Pair const& pair) {
  auto a = settings_of(*pair.a), b = settings_of(*pair.b);
  if (a == b) return (a.empty() ? "" : a + ", ") + std::string("two seeds");
  if (b < a) std::swap(a, b);
  return a + " | " + b + (have_one_start(pair) ? ", same seed" : "");
}

double spearman_of(ByteMatrix const& a, ByteMatrix const& b, MaskObjects const& objects) {
  auto const of_a = objects.ranks.find(a.attributes.at("object")), of_b = objects.ranks.find(b.attributes.at("object"));
  if (of_a == objects.ranks.end() || of_b == objects.ranks.end()) return std::nan("");
  return rank_correlation(of_a->second, of_b->second);
}

/// Whether both are cut to a share of zeros, and to another one.
bool differ_in_size(ByteMatrix const& a, ByteMatrix const& b) {
  auto const of_a = a.attributes.find("zeros"), of_b = b.attributes.find("zeros");
  return of_a != a.attributes.end() && of_b != b.attributes.end() && of_a->second != of_b->second;
}

/// Means over pairs that differ in the same way.
TextTable means(std::vector<Pair> const& pairs) {
  std::map<std::string, std::vector<Pair>> groups;
  std::vector<std::string> order;
  for (auto const& pair : pairs) {
    auto const name = name_of_pair(pair);
    if (!groups.contains(name)) order.push_back(name);
    groups[name].push_back(pair);
  }
  TextTable table;
  table.add(
      {"masks", "pairs", "zeros %", "IoU", "smallest", "largest", "by chance", "lift", "r of rows", "r of columns", "Spearman"});
  for (auto const& name : order) {
    auto const& of = groups.at(name);
    auto const mean = [&](auto value) {
      double sum = 0;
      for (auto const& pair : of) sum += value(pair);
      return sum / static_cast<double>(of.size());
    };
    auto const [least, most] =
        std::minmax_element(of.begin(), of.end(), [](auto const& a, auto const& b) { return a.overlap.iou < b.overlap.iou; });
    auto const mean_of_overlap = [&](double Overlap::*member) {
      return mean([=](auto const& pair) { return pair.overlap.*member; });
    };
    table.add({name, std::to_string(of.size()),
               percent((mean_of_overlap(&Overlap::zeros_a) + mean_of_overlap(&Overlap::zeros_b)) / 2),
               number_or_dash(mean_of_overlap(&Overlap::iou), 3), number_or_dash(least->overlap.iou, 3),
               number_or_dash(most->overlap.iou, 3), number_or_dash(mean_of_overlap(&Overlap::chance), 3),
               number_or_dash(mean_of_overlap(&Overlap::lift), 2), number_or_dash(mean_of_overlap(&Overlap::rows), 2),
               number_or_dash(mean_of_overlap(&Overlap::columns), 2),
               number_or_dash(mean([](auto const& pair) { return pair.spearman; }), 2)});
  }
  return table;
}

TextTable every_pair(std::vector<Pair> const& pairs) {
  TextTable table;
  table.add(
      {"masks", "zeros %", "zeros %", "IoU", "95 % interval", "by chance", "lift", "r of rows", "r of columns", "Spearman"});
  for (auto const& [a, b, overlap, spearman] : pairs) {
    table.add({a->attributes.at("name") + " | " + b->attributes.at("name"), percent(overlap.zeros_a), percent(overlap.zeros_b),
               number_or_dash(overlap.iou, 3),
               fmt::format("[{}, {}]", number_or_dash(overlap.interval.low, 3), number_or_dash(overlap.interval.high, 3)),
               number_or_dash(overlap.chance, 3), number_or_dash(overlap.lift, 2), number_or_dash(overlap.rows, 2),
               number_or_dash(overlap.columns, 2), number_or_dash(spearman, 2)});
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
    "(hidden dimensions) and of columns (inner units). Spearman: rank correlation of the soft masks. Interval: rows are "
    "resampled,\n"
    "95 %.\n"
    "deviation: standard deviation of the lines' shares of zeros; by chance: where all entries are independent. 5 % exceed: 5 % "
    "of\n"
    "the lines have a larger share of zeros. Gini: 0 where all lines have as many, towards 1 where one has all.\n";

}  // namespace

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

Document overlap_document(StudyFile const& study, MaskObjects const& objects, bool per_pair) {
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
        bool const of_one_training = masks[a]->attributes.at("object") == masks[b]->attributes.at("object");
        if (of_one_training || differ_in_size(*masks[a], *masks[b])) continue;
        pairs.push_back({masks[a], masks[b], overlap_of(*masks[a], *masks[b]), spearman_of(*masks[a], *masks[b], objects)});
        same_start = same_start || have_one_start(pairs.back());
      }
    }
    if (!pairs.empty()) document.blocks.push_back({"Overlap of masks" + where, means(pairs), ""});
    if (per_pair && !pairs.empty()) document.blocks.push_back({"Every pair" + where, every_pair(pairs), ""});
    if (auto changes = changes_at_zeros(objects, layers); changes.rows().size() > 1)
      document.blocks.push_back({"Changes by the edits at the zeros" + where, std::move(changes), ""});
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
  if (!objects.note.empty()) document.blocks.push_back({"", {}, wrapped(objects.note, line_width)});
  document.blocks.push_back(
      {"", {}, std::string(definitions_of_overlap) + (objects.changes.empty() ? "" : definitions_of_changes)});
  return document;
}

}  // namespace onemask
