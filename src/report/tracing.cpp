#include "report/study_parts.hpp"
#include <onemask/core/error.hpp>
#include <onemask/report/tracing.hpp>
#include <onemask/statistics/resampling.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

/// The member of an enumeration whose number a column holds.
template <typename Value, std::size_t count>
Value checked(std::int64_t number, std::array<Named<Value>, count> const& names, char const* column) {
  if (number >= 0 && number < static_cast<std::int64_t>(count)) return names[static_cast<std::size_t>(number)].value;
  throw UserError(
      fmt::format("The study file's table 'tracing' has the {} {}, which this version does not know.", column, number));
}

}  // namespace

TracingReport::TracingReport(StudyFile const& study) {
  if (!study.tables.contains("tracing"))
    throw UserError(
        "The study traces no facts: it has no table 'tracing'. Add a section 'tracing' to it and run the study into another "
        "folder, with --objects RUN/objects, where what is done already is found.");
  auto const& facts = need_table(study, "tracing_facts");
  auto const& fact = facts.values<std::int64_t>("fact");
  auto const& noise = facts.values<double>("noise");
  planned_ = static_cast<std::int64_t>(facts.rows());
  std::map<std::int64_t, double> corrupted;  // of the traced facts
  for (std::size_t row = 0; row < facts.rows(); ++row) {
    auto const real = [&](char const* column) { return facts.values<double>(column)[row]; };
    if (!std::isfinite(real("corrupted")) || !std::isfinite(real("clean"))) continue;
    clean_.push_back(real("clean")), corrupted_.push_back(real("corrupted"));
    object_clean_.push_back(real("object_clean")), object_corrupted_.push_back(real("object_corrupted"));
    corrupted[fact[row]] = real("corrupted");
    deviation_ = noise[row];
  }
  if (!fact.empty()) {
    auto const& splits = need_table(study, "facts").values<std::string>("split");
    auto const first = static_cast<std::size_t>(fact.front());
    if (first >= splits.size()) throw UserError("The study file traces a fact that its table 'facts' does not have.");
    split_ = splits[first];
  }
  auto const& table = need_table(study, "tracing");
  auto const column = [&](char const* name) -> auto const& {
    return table.values<std::int64_t>(name);
  };
  auto const &of = column("fact"), &kinds = column("kind"), &places = column("place"), &layer = column("layer");
  auto const& probability = table.values<double>("probability");
  for (auto const each : layer) layers_ = std::max(layers_, static_cast<int>(each) + 1);
  for (std::size_t row = 0; row < table.rows(); ++row) {
    auto const known = corrupted.find(of[row]);
    if (std::find(fact.begin(), fact.end(), of[row]) == fact.end() || layer[row] < 0)
      throw UserError("The study file's table 'tracing' has a row of no fact of its table 'tracing_facts', or of no layer.");
    if (known == corrupted.end()) continue;  // its probabilities are no numbers, as where a narrow type overflows
    auto const kind = checked(kinds[row], trace_kind_names, "kind");
    auto found = std::find_if(kinds_.begin(), kinds_.end(), [&](auto const& other) { return other.kind == kind; });
    if (found == kinds_.end()) found = kinds_.insert(kinds_.end(), {kind, {}});
    auto& effects = found->effects[checked(places[row], trace_place_names, "place")];
    effects.resize(static_cast<std::size_t>(layers_));
    effects[static_cast<std::size_t>(layer[row])].push_back(probability[row] - known->second);
  }
  std::sort(kinds_.begin(), kinds_.end(), [](auto const& a, auto const& b) { return a.kind < b.kind; });
  for (auto& traced : kinds_) {
    for (auto const& [place, effects] : traced.effects) traced.means[place] = means(effects);
  }
}

std::optional<Estimate> TracingReport::mean(std::vector<double> const& values) const {
  if (values.empty()) return std::nullopt;
  SeededScores const scores{1, values};
  auto const [low, high] = interval_of_mean(scores);
  return Estimate{scores.mean(), low, high, std::ssize(values), planned_};
}

std::vector<std::optional<Estimate>> TracingReport::means(std::vector<std::vector<double>> const& layers) const {
  std::vector<SeededScores> scores;
  for (auto const& values : layers) scores.push_back({1, values});
  auto const intervals = intervals_of_means(scores);
  std::vector<std::optional<Estimate>> all(layers.size());
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    if (layers[layer].empty()) continue;
    auto const [low, high] = intervals[layer];
    all[layer] = Estimate{scores[layer].mean(), low, high, std::ssize(layers[layer]), planned_};
  }
  return all;
}

std::optional<Estimate> TracingReport::effect(TracedKind const& kind, TracePlace place, int layer) const {
  auto const found = kind.means.find(place);
  return found == kind.means.end() ? std::nullopt : found->second[static_cast<std::size_t>(layer)];
}

std::optional<TracingPeak> TracingReport::peak(TraceKind kind, TracePlace place) const {
  auto const of = std::find_if(kinds_.begin(), kinds_.end(), [&](auto const& other) { return other.kind == kind; });
  if (of == kinds_.end() || !of->effects.contains(place)) return std::nullopt;
  auto const& layers = of->effects.at(place);
  auto const facts = layers.front().size();
  bool const alike = facts > 0 && std::all_of(layers.begin(), layers.end(), [&](auto const& l) { return l.size() == facts; });
  if (!alike) return std::nullopt;
  std::vector<SeededScores> scores;
  std::vector<double> means;
  for (auto const& effects : layers) {
    scores.push_back({1, effects});
    means.push_back(scores.back().mean());
  }
  auto const largest = [](auto const& values) { return std::max_element(values.begin(), values.end()) - values.begin(); };
  auto const resampled = Resampling(facts, 1, {}, resamples_of_intervals).means(scores);
  std::vector<double> peaks;
  for (std::size_t r = 0; r < resamples_of_intervals; ++r) {
    std::vector<double> one;
    for (auto const& layer : resampled) one.push_back(layer[r]);
    peaks.push_back(static_cast<double>(largest(one)));
  }
  auto const [low, high] = percentile_interval(std::move(peaks));
  auto const layer = static_cast<int>(largest(means));
  return TracingPeak{layer, static_cast<int>(low), static_cast<int>(high), *effect(*of, place, layer)};
}

TracingPeak TracingReport::layer_to_edit() const {
  if (auto const found = peak(TraceKind::mlp, TracePlace::subject_last)) {
    if (found->effect.low > 0) return *found;
    throw UserError(
        "Restoring MLPs at the subject's last token brings back nothing that is clear in any layer, so the study names no layer "
        "to "
        "edit. Trace more facts, or more samples of each.");
  }
  throw UserError(
      "The study has traced no MLPs at the subject's last token, which name a layer to edit. Trace the kind 'mlp' "
      "(tracing.kinds), or let the run go on.");
}

}  // namespace onemask
