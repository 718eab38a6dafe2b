#include "tune/tune_plan.hpp"

#include <onemask/core/error.hpp>

#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

using PlanJson = nlohmann::ordered_json;

PlanJson rung_json(LadderRung const& rung) {
  PlanJson json{{"kind", name_of_kind(rung.kind)},
                {"distance", rung.distance},
                {"facts", rung.facts},
                {"keep", rung.keep},
                {"add", rung.add}};
  if (rung.first > 0) json["first"] = rung.first;
  return json;
}

LadderRung rung_of(PlanJson const& json) {
  auto const kind = rung_kind_of(json.at("kind").get<std::string>());
  if (!kind) throw UserError("unknown kind of rung");
  LadderRung const rung{*kind,
                        json.at("distance").get<int>(),
                        json.at("facts").get<std::size_t>(),
                        json.at("keep").get<std::size_t>(),
                        json.at("add").get<std::size_t>(),
                        json.value("first", 0)};
  if (rung.distance < 1 || rung.facts < 1 || rung.first < 0) throw UserError("a rung without facts");
  return rung;
}

/// What must not differ between starts, and its name in messages.
std::vector<std::pair<char const*, std::string>> question_of(TunePlan const& plan) {
  return {{"the method (--method)", plan.method},
          {"the settings that it begins with", plan.start},
          {"the number of facts (--facts)", std::to_string(plan.facts)},
          {"the probe facts", plan.probes},
          {"the budget (--budget)", plan.budget},
          {"the peak of causal tracing (--tracing)", plan.peak ? fmt::format("layer {}", *plan.peak) : "none"},
          {"the limit of drift (--max-drift)", fmt::format("{} {}", name_of_measure(plan.measure), plan.max_drift)}};
}

}  // namespace

std::filesystem::path plan_file(std::filesystem::path const& folder) {
  return folder / "ladder.json";
}

std::string to_json(TunePlan const& plan) {
  PlanJson json{{"method", plan.method},       {"start", plan.start},
                {"probes", plan.probes},       {"facts", plan.facts},
                {"budget", plan.budget},       {"drift", plan.measure == DriftMeasure::perplexity ? "perplexity" : "kl"},
                {"max_drift", plan.max_drift}, {"edits", edits_of(plan.ladder)},
                {"rungs", PlanJson::array()}};
  if (plan.peak) json["peak"] = *plan.peak;
  for (auto const& rung : plan.ladder) json["rungs"].push_back(rung_json(rung));
  if (plan.rate)
    json["rate"] = {
        {"seconds_per_unit", plan.rate->unit}, {"seconds_per_rung", plan.rate->overhead}, {"ranks", plan.rate->ranks}};
  return json.dump(2, ' ', false, PlanJson::error_handler_t::replace) + "\n";
}

TunePlan tune_plan_from_json(std::string const& text, std::string const& where) {
  try {
    auto const json = PlanJson::parse(text);
    TunePlan plan;
    plan.method = json.at("method").get<std::string>();
    plan.start = json.at("start").get<std::string>();
    plan.probes = json.at("probes").get<std::string>();
    plan.facts = json.at("facts").get<std::size_t>();
    plan.budget = json.at("budget").get<std::string>();
    plan.measure = json.at("drift").get<std::string>() == "perplexity" ? DriftMeasure::perplexity : DriftMeasure::neighborhood_kl;
    plan.max_drift = json.at("max_drift").get<double>();
    if (json.contains("peak")) plan.peak = json.at("peak").get<int>();
    for (auto const& rung : json.at("rungs")) plan.ladder.push_back(rung_of(rung));
    if (plan.ladder.empty() || plan.ladder.front().kind != RungKind::layers) throw UserError("no ladder");
    if (json.contains("rate")) {
      auto const& rate = json.at("rate");
      plan.rate = {rate.at("seconds_per_unit").get<double>(), rate.at("seconds_per_rung").get<double>(),
                   rate.at("ranks").get<int>()};
    }
    return plan;
  } catch (std::exception const&) {
    throw UserError(where + " is not the ladder of a tune, or is damaged. Use another folder for --out.");
  }
}

void require_same_tune(TunePlan const& stored, TunePlan const& wanted, std::filesystem::path const& folder) {
  auto const old = question_of(stored), now = question_of(wanted);
  for (std::size_t i = 0; i < old.size(); ++i) {
    if (old[i].second == now[i].second) continue;
    throw UserError(
        fmt::format("The folder {} holds a tune that differs in {}: '{}', here '{}'. Use another folder for --out, or the "
                    "command of that tune.",
                    folder.string(), old[i].first, old[i].second, now[i].second));
  }
}

}  // namespace onemask
