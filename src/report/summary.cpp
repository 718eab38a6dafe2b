#include "report/summary.hpp"

#include "report/study_parts.hpp"
#include <onemask/core/error.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace onemask {
namespace {

constexpr std::array<std::pair<char const*, char const*>, 7> kinds_and_labels{{{"original", "unedited"},
                                                                               {"edited", "edited"},
                                                                               {"mask", "edited + mask"},
                                                                               {"random", "edited + random"},
                                                                               {"magnitude", "edited + magnitude"},
                                                                               {"delta_magnitude", "edited + delta magnitude"},
                                                                               {"original_masked", "unedited + mask"}}};

std::vector<ModelKind> read_kinds(Table const& table) {
  auto const& names = table.values<std::string>("name");
  auto const& kinds = table.values<std::string>("kind");
  auto const& points = table.values<std::string>("point");
  auto const& zeros = table.values<double>("zeros");
  std::array<ModelKind, kinds_and_labels.size()> all;
  for (std::size_t row = 0; row < names.size(); ++row) {
    auto const known =
        std::find_if(kinds_and_labels.begin(), kinds_and_labels.end(), [&](auto const& k) { return kinds[row] == k.first; });
    if (known == kinds_and_labels.end()) {
      throw UserError("The study file's condition '" + names[row] + "' is of kind '" + kinds[row] +
                      "', which this version does not know; gather the study again.");
    }
    auto& kind = all[static_cast<std::size_t>(known - kinds_and_labels.begin())];
    kind.label = known->second;
    kind.models.push_back({names[row], points[row], zeros[row]});
  }
  std::vector<ModelKind> present;
  for (auto& kind : all) {
    if (!kind.models.empty()) present.push_back(std::move(kind));
  }
  return present;
}

}  // namespace

Summary::Summary(StudyFile const& study) : kinds_(read_kinds(need_table(study, "conditions"))) {
  auto const& table = need_table(study, "summary");
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
    if (std::find(groups_.begin(), groups_.end(), group) == groups_.end()) groups_.push_back(group);
    if (n[row] == 0) continue;  // planned, but nothing is scored yet: the table shows a dash
    estimates_.insert_or_assign({condition[row], group, prompts[row], metric[row]},
                                Estimate{mean[row], low[row], high[row], n[row], planned[row]});
  }
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
  if (values.empty()) return std::nullopt;
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

std::vector<ScoredModel> Summary::scored(ModelKind const& kind, Group const& group) const {
  std::vector<ScoredModel> models;
  for (auto const& model : kind.models) {
    if (find(model.name, group, "rewrite", "rsr")) models.push_back(model);
  }
  return models;
}

}  // namespace onemask
