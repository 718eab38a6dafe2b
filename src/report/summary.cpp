#include "report/summary.hpp"

#include "report/phrases.hpp"
#include "report/study_parts.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/reserved_names.hpp>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace onemask {
namespace {

constexpr std::array<Named<ConditionKind>, 12> labels{{{ConditionKind::original, "unedited"},
                                                       {ConditionKind::edited, "edited"},
                                                       {ConditionKind::mask, "edited + mask"},
                                                       {ConditionKind::random, "edited + random"},
                                                       {ConditionKind::magnitude, "edited + magnitude"},
                                                       {ConditionKind::delta_magnitude, "edited + delta magnitude"},
                                                       {ConditionKind::original_masked, "unedited + mask"},
                                                       {ConditionKind::dropped, "without the matrix"},
                                                       {ConditionKind::pruned, "edited + pruned"},
                                                       {ConditionKind::bottom_rank, "edited + bottom rank"},
                                                       {ConditionKind::shrunk, "edited + shrunk"},
                                                       {ConditionKind::patched, "patched"}}};

bool is_variant_alone(ConditionKind kind) {
  return kind == ConditionKind::pruned || kind == ConditionKind::bottom_rank || kind == ConditionKind::shrunk;
}

/// Of a column that files of older versions lack: empty texts.
std::vector<std::string> texts_of(Table const& table, char const* column) {
  return table.find(column) ? table.values<std::string>(column) : std::vector<std::string>(table.rows());
}

/// The value that `is` holds for, added where there is none.
template <class T, class Is>
T& find_or_add(std::vector<T>& values, T value, Is const& is) {
  auto const found = std::find_if(values.begin(), values.end(), is);
  if (found != values.end()) return *found;
  return values.emplace_back(std::move(value));
}

std::vector<EditedModels> read_edits(StudyFile const& study) {
  auto const& table = need_table(study, "conditions");
  auto const& names = table.values<std::string>("name");
  auto const& kinds = table.values<std::string>("kind");
  auto const& points = table.values<std::string>("point");
  auto const& zeros = table.values<double>("zeros");
  auto const sets = texts_of(table, "set"), settings = texts_of(table, "settings"), variants = texts_of(table, "variant"),
             train_splits = texts_of(table, "train_split");  // only where it is swept
  std::vector<EditedModels> edits;
  for (std::size_t row = 0; row < names.size(); ++row) {
    auto const kind_here = kind_of(kinds[row], "condition '" + names[row] + "'");
    auto& of = find_or_add(edits, EditedModels{sets[row], {}}, [&](auto const& e) { return e.edits == sets[row]; });
    auto const& variant = variants[row];
    auto& kind =
        find_or_add(of.kinds, ModelKind{kind_here, variant, settings[row], label_of_kind(kind_here, variant), {}},
                    [&](auto const& k) { return k.kind == kind_here && k.variant == variant && k.settings == settings[row]; });
    kind.train_split = train_splits[row].empty() ? train_split_of(study) : train_splits[row];
    kind.models.push_back({names[row], points[row], zeros[row]});
  }
  for (auto& of : edits) {
    std::stable_sort(of.kinds.begin(), of.kinds.end(), [](auto const& a, auto const& b) { return a.kind < b.kind; });
    auto const several = [&](auto const& k) {
      return std::count_if(of.kinds.begin(), of.kinds.end(),
                           [&](auto const& other) { return other.kind == k.kind && other.variant == k.variant; }) > 1;
    };
    for (auto& kind : of.kinds) {
      bool const named = several(kind) || kind.settings.starts_with(trained_on);
      if (named && !kind.settings.empty()) kind.label += ", " + kind.settings;
    }
  }
  return edits;
}

}  // namespace

ModelKind const* EditedModels::find(ConditionKind kind, std::string const& settings, std::string const& variant) const {
  auto const found = std::find_if(kinds.begin(), kinds.end(), [&](auto const& k) {
    return k.kind == kind && k.settings == settings && k.variant == variant;
  });
  return found == kinds.end() ? nullptr : &*found;
}

std::string label_of_kind(ConditionKind kind) {
  return name_of(labels, kind);
}

std::string label_of_kind(ConditionKind kind, std::string const& variant) {
  if (kind == ConditionKind::patched && !variant.empty()) return variant;
  if (is_variant_alone(kind)) return label_of_kind(ConditionKind::edited) + " + " + variant;
  return label_of_kind(kind) + (variant.empty() ? "" : ", " + variant);
}

ConditionKind kind_of(std::string const& name, std::string const& what) {
  if (auto const kind = value_of(condition_kind_names, name)) return *kind;
  throw UserError("The study file's " + what + " is of kind '" + name +
                  "', which this version does not know; gather the study again.");
}

Summary::Summary(StudyFile const& study) : edits_(read_edits(study)) {
  add(need_table(study, "summary"));
}

void Summary::add(Table const& table) {
  auto const held_back =
      std::find_if(groups_.rbegin(), groups_.rend(), [](auto const& group) { return group.split == validation_split; });
  auto place = held_back == groups_.rend() ? std::ssize(groups_) : held_back.base() - groups_.begin();
  auto const& condition = table.values<std::string>("condition");
  auto const& split = table.values<std::string>("split");
  auto const& relation = table.values<std::string>("relation");
  auto const& prompts = table.values<std::string>("prompts");
  auto const& metric = table.values<std::string>("metric");
  auto const& mean = table.values<double>("mean");
  auto const& low = table.values<double>("low");
  auto const& high = table.values<double>("high");
  auto const& n = table.values<std::int64_t>("n");
  auto const& planned = table.values<std::int64_t>("planned");
  for (std::size_t row = 0; row < table.rows(); ++row) {
    Group const group{split[row], relation[row]};
    if (std::find(groups_.begin(), groups_.end(), group) == groups_.end()) groups_.insert(groups_.begin() + place++, group);
    if (n[row] == 0) continue;  // planned, but nothing is scored yet: the table shows a dash
    estimates_.insert_or_assign({condition[row], group, prompts[row], metric[row]},
                                Estimate{mean[row], low[row], high[row], n[row], planned[row]});
  }
}

std::vector<Group> Summary::splits() const {
  std::vector<Group> splits;
  std::copy_if(groups_.begin(), groups_.end(), std::back_inserter(splits),
               [](auto const& g) { return g.relation == every_relation; });
  return splits;
}

std::optional<Estimate> Summary::find(std::string const& condition, Group const& group, std::string const& prompts,
                                      std::string const& metric) const {
  auto const found = estimates_.find({condition, group, prompts, metric});
  return found == estimates_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<Estimate> Summary::mean(ModelKind const& kind, Group const& group, std::string const& prompts,
                                      std::string const& metric) const {
  std::vector<Estimate> values;
  for (auto const& model : kind.models) {
    if (auto const value = find(model.name, group, prompts, metric)) values.push_back(*value);
  }
  return values.empty() ? std::nullopt : std::optional(mean_of(values));
}

std::vector<ScoredModel> Summary::scored(ModelKind const& kind, Group const& group) const {
  std::vector<ScoredModel> models;
  for (auto const& model : kind.models) {
    if (find(model.name, group, "rewrite", "rsr")) models.push_back(model);
  }
  return models;
}

Estimate mean_of(std::vector<Estimate> const& values) {
  Estimate result{0, 0, 0, values.front().n, values.front().planned};
  for (auto const& value : values) {
    auto const share = 1 / static_cast<double>(values.size());
    result.mean += share * value.mean;
    result.low += share * value.low;
    result.high += share * value.high;
    result.n = std::min(result.n, value.n);
    result.planned = std::max(result.planned, value.planned);
  }
  return result;
}

double mean_zeros(std::vector<ScoredModel> const& models) {
  double sum = 0;
  for (auto const& model : models) sum += model.zeros / static_cast<double>(models.size());
  return sum;
}

}  // namespace onemask
