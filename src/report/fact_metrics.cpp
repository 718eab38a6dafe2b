#include "report/fact_metrics.hpp"

#include <onemask/core/error.hpp>
#include <onemask/core/text.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <fmt/core.h>

namespace onemask {
namespace {

using Prompt = PromptScore const&;
using Kind = ConditionKind;

double true_per_token(Prompt p) {
  return p.lp_true / p.tokens_true;
}
double new_per_token(Prompt p) {
  return p.lp_new / p.tokens_new;
}
double is_likelier(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? std::numeric_limits<double>::quiet_NaN() : a > b ? 1 : 0;
}
double new_success(Prompt p, Kind) {
  return is_likelier(new_per_token(p), true_per_token(p));
}
double new_magnitude(Prompt p, Kind) {
  return std::exp(new_per_token(p)) - std::exp(true_per_token(p));
}
double confidence(Prompt p, Kind kind) {
  return std::exp(kind == Kind::edited ? new_per_token(p) : true_per_token(p));
}

// Defined as for the table "summary" (eval/aggregate.cpp).
std::vector<FactMetric> const of_object{
    {"rsr", true, nullptr, [](Prompt p, Kind) { return is_likelier(p.lp_true, p.lp_new); }},
    {"rsm", false, nullptr, [](Prompt p, Kind) { return p.lp_true - p.lp_new; }},
    {"kl", false, nullptr, [](Prompt p, Kind) { return p.kl; }},
    {"top1_changed", true, nullptr, [](Prompt p, Kind) { return std::isnan(p.kl) ? p.kl : p.top1_changed; }},
    {"p_true", false, nullptr, [](Prompt p, Kind) { return std::exp(p.lp_true); }},
    {"p_new", false, nullptr, [](Prompt p, Kind) { return std::exp(p.lp_new); }},
    {"overlap5", false, nullptr, [](Prompt p, Kind) { return p.overlap5; }},
    {"overlap10", false, nullptr, [](Prompt p, Kind) { return p.overlap10; }},
    {"overlap100", false, nullptr, [](Prompt p, Kind) { return p.overlap100; }},
    {"success", true, nullptr, new_success},
    {"magnitude", false, nullptr, new_magnitude},
    {"confidence", false, nullptr, confidence},
    {"acc_true", false, "acc_true", [](Prompt p, Kind) { return p.acc_true; }},
    {"acc_new", false, "acc_new", [](Prompt p, Kind) { return p.acc_new; }},
    {"match", true, "acc_true", [](Prompt p, Kind) { return std::isnan(p.acc_true) ? p.acc_true
                                                            : p.acc_true == 1      ? 1
                                                                                   : 0; }},
    {"gen_true", true, "gen_true", [](Prompt p, Kind) { return p.gen_true; }},
    {"gen_new", true, "gen_new", [](Prompt p, Kind) { return p.gen_new; }},
    {"entropy", false, "entropy", [](Prompt p, Kind) { return p.entropy; }}};
// Of prompts about other subjects, whose answer is the new object, or the true one.
std::vector<FactMetric> const of_new{{"success", true, nullptr, new_success}, {"magnitude", false, nullptr, new_magnitude}};
std::vector<FactMetric> const of_true{
    {"success", true, nullptr, [](Prompt p, Kind) { return is_likelier(true_per_token(p), new_per_token(p)); }},
    {"magnitude", false, nullptr, [](Prompt p, Kind kind) { return -new_magnitude(p, kind); }}};

}  // namespace

FactMetric const& fact_metric(std::string const& name, PromptKind prompts) {
  auto const& metrics = asks_own_object(prompts) ? of_object : wants_true_object(prompts) ? of_true : of_new;
  auto const found = std::find_if(metrics.begin(), metrics.end(), [&](auto const& metric) { return metric.name == name; });
  if (found != metrics.end()) return *found;
  auto const names = join(metrics, ", ", [](auto const& metric) { return metric.name; });
  throw UserError(fmt::format("'{}' is not a metric of {} prompts that can be compared. These are: {}.", name,
                              name_of(prompt_kind_names, prompts), names));
}

}  // namespace onemask
