#include "report/fact_scores.hpp"

#include "report/study_parts.hpp"
#include <onemask/core/error.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

constexpr auto unknown = std::numeric_limits<double>::quiet_NaN();

/// Of studies that ask for them.
constexpr std::array<std::pair<char const*, double PromptScore::*>, 5> optional_columns{{{"acc_true", &PromptScore::acc_true},
                                                                                         {"acc_new", &PromptScore::acc_new},
                                                                                         {"gen_true", &PromptScore::gen_true},
                                                                                         {"gen_new", &PromptScore::gen_new},
                                                                                         {"entropy", &PromptScore::entropy}}};

}  // namespace

FactScores::FactScores(StudyFile const& study, Of of)
    : metrics_(&need_table(study, "metrics")),
      names_(&need_table(study, "conditions").values<std::string>("name")),
      splits_(&need_table(study, "facts").values<std::string>("split")),
      relations_(&need_table(study, "facts").values<std::string>("relation")),
      facts_(&need_table(study, "metrics").values<std::int64_t>("fact")),
      kinds_(&need_table(study, "metrics").values<std::int64_t>("kind")) {
  auto const& metrics = *metrics_;
  auto const real = [&](char const* name, double PromptScore::*member) {
    real_.push_back({&metrics.values<double>(name), member});
  };
  auto const whole = [&](char const* name, double PromptScore::*member) {
    whole_.push_back({&metrics.values<std::int64_t>(name), member});
  };
  real("lp_true", &PromptScore::lp_true), real("lp_new", &PromptScore::lp_new);
  if (of == Of::everything || of == Of::outcomes)
    whole("rank_true", &PromptScore::rank_true), whole("rank_new", &PromptScore::rank_new);
  if (of == Of::everything || of == Of::changes) {
    real("kl", &PromptScore::kl), whole("tokens_true", &PromptScore::tokens_true);
    whole("tokens_new", &PromptScore::tokens_new), whole("top1_changed", &PromptScore::top1_changed);
  }
  if (of == Of::everything) {
    real("overlap5", &PromptScore::overlap5), real("overlap10", &PromptScore::overlap10);
    real("overlap100", &PromptScore::overlap100);
    for (auto const& [name, member] : optional_columns) {
      if (metrics.find(name)) real(name, member);
    }
  }
  auto const& conditions = metrics.values<std::int64_t>("condition");
  begins_.resize(names_->size() + 1);
  for (std::size_t row = 0; row < conditions.size(); ++row) {
    auto const condition = static_cast<std::size_t>(conditions[row]), fact = static_cast<std::size_t>((*facts_)[row]);
    if (condition >= names_->size() || fact >= splits_->size()) {
      throw UserError(
          fmt::format("Row {} of the study file's table 'metrics' is of condition {} and fact {}, which it does not have; "
                      "gather the study again.",
                      row, conditions[row], (*facts_)[row]));
    }
    ++begins_[condition + 1];
  }
  std::partial_sum(begins_.begin(), begins_.end(), begins_.begin());
  rows_.resize(conditions.size());
  auto next = begins_;
  for (std::size_t row = 0; row < conditions.size(); ++row) rows_[next[static_cast<std::size_t>(conditions[row])]++] = row;
}

template <class Use>
void FactScores::for_prompts(std::string const& condition, PromptKind prompts, Use const& use) const {
  auto const found = static_cast<std::size_t>(std::find(names_->begin(), names_->end(), condition) - names_->begin());
  if (found == names_->size()) return;
  PromptScore score{};
  for (auto i = begins_[found]; i < begins_[found + 1]; ++i) {
    auto const row = rows_[i];
    if ((*kinds_)[row] != static_cast<std::int64_t>(prompts)) continue;
    for (auto const& [values, member] : real_) score.*member = (*values)[row];
    for (auto const& [values, member] : whole_) score.*member = static_cast<double>((*values)[row]);
    use(static_cast<std::size_t>((*facts_)[row]), score);
  }
}

std::vector<double> FactScores::means(std::string const& condition, ConditionKind kind, FactMetric const& metric,
                                      PromptKind prompts) const {
  std::vector<double> means(splits_->size());
  std::vector<double> counts(splits_->size());
  for_prompts(condition, prompts, [&](std::size_t fact, PromptScore const& score) {
    means[fact] += metric.value(score, kind);
    ++counts[fact];
  });
  for (std::size_t fact = 0; fact < means.size(); ++fact) means[fact] = counts[fact] > 0 ? means[fact] / counts[fact] : unknown;
  return means;
}

std::vector<FactScores::Outcome> FactScores::outcomes(std::string const& condition) const {
  std::vector<Outcome> outcomes(splits_->size());
  for_prompts(condition, PromptKind::rewrite, [&](std::size_t fact, PromptScore const& score) {
    bool const took = score.lp_new > score.lp_true, scored = !std::isnan(score.lp_new) && !std::isnan(score.lp_true);
    outcomes[fact] = {scored, scored && score.rank_true == 1, took, took && score.rank_new == 1};
  });
  return outcomes;
}

}  // namespace onemask
