#include "report/perplexity.hpp"

#include "report/cells.hpp"
#include "report/study_parts.hpp"
#include <onemask/core/reserved_names.hpp>
#include <onemask/report/text_table.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

namespace onemask {

Perplexities::Perplexities(StudyFile const& study) {
  if (!study.tables.contains("perplexity")) return;
  auto const& table = need_table(study, "perplexity");
  auto const& condition = table.values<std::string>("condition");
  auto const& split = table.values<std::string>("split");
  auto const& perplexity = table.values<double>("perplexity");
  auto const& n = table.values<std::int64_t>("n");
  auto const& planned = table.values<std::int64_t>("planned");
  for (std::size_t row = 0; row < table.rows(); ++row) {
    if (std::find(splits_.begin(), splits_.end(), split[row]) == splits_.end()) splits_.push_back(split[row]);
    values_.insert_or_assign({condition[row], split[row]}, Value{perplexity[row], n[row], planned[row]});
  }
}

std::vector<Perplexities::Value> Perplexities::values(ModelKind const& kind, std::string const& split) const {
  std::vector<Value> values;
  for (auto const& model : kind.models) {
    if (auto const found = values_.find({model.name, split}); found != values_.end()) values.push_back(found->second);
  }
  return values;
}

bool Perplexities::planned(ModelKind const& kind, std::string const& split) const {
  return !values(kind, split).empty();
}

std::vector<Perplexities::Value> Perplexities::whole(ModelKind const& kind, std::string const& split) const {
  auto all = values(kind, split);
  std::erase_if(all, [](auto const& value) { return value.n < value.planned; });
  return all;
}

std::size_t Perplexities::scored(ModelKind const& kind, std::string const& split) const {
  return whole(kind, split).size();
}

std::optional<double> Perplexities::mean(ModelKind const& kind, std::string const& split) const {
  auto const all = whole(kind, split);
  if (all.empty()) return std::nullopt;
  double sum = 0;
  for (auto const& value : all) sum += value.perplexity;
  return sum / static_cast<double>(all.size());
}

std::optional<double> Perplexities::ratio(EditedModels const& edits, ModelKind const& kind, std::string const& split) const {
  auto const* const original = edits.find(ConditionKind::original, "");
  auto const before = original ? mean(*original, every_split) : std::nullopt;
  auto const after = mean(kind, split);
  if (!before || !after || !std::isfinite(*after / *before)) return std::nullopt;
  return *after / *before;
}

std::string Perplexities::counts(ModelKind const& kind, std::string const& split) const {
  std::int64_t n = 0, planned = 0;
  for (auto const& value : values(kind, split)) {
    n += value.n;
    planned += value.planned;
  }
  return fmt::format("{}/{}", n, planned);
}

std::vector<DocumentBlock> perplexity_blocks(Perplexities const& perplexities, Summary const& summary) {
  std::vector<DocumentBlock> blocks;
  for (auto const& edits : summary.edits()) {
    TextTable table;
    table.add({"model", "perplexity", "ratio", "tokens/planned"});
    bool any = false;
    for (auto const& split : perplexities.splits()) {
      for (auto const& kind : edits.kinds) {
        if (!perplexities.planned(kind, split)) continue;
        any = true;
        auto const mean = perplexities.mean(kind, split), ratio = perplexities.ratio(edits, kind, split);
        table.add({label_of(kind, perplexities.scored(kind, split)) + (split == every_split ? "" : ", facts of " + split),
                   mean ? number(*mean, 3) : "-", ratio ? number(*ratio, 3) : "-", perplexities.counts(kind, split)});
      }
    }
    if (any) blocks.push_back({"Perplexity" + (edits.edits.empty() ? "" : ", " + edits.edits), std::move(table), ""});
  }
  return blocks;
}

}  // namespace onemask
