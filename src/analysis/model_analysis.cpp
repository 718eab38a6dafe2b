#include "analysis/attention_shift.hpp"
#include "analysis/contributions.hpp"
#include "analysis/traces.hpp"
#include <onemask/analysis/model_analysis.hpp>

#include <limits>

#include <c10/core/GradMode.h>

namespace onemask {
namespace {

constexpr auto not_there = std::numeric_limits<double>::quiet_NaN();

/// [facts, …] with NaN where a fact is missing.
at::Tensor without_missing(at::Tensor const& tensor, at::Tensor const& missing) {
  if (!missing.defined()) return tensor;
  std::vector<std::int64_t> shape(static_cast<std::size_t>(tensor.dim()), 1);
  shape.front() = tensor.size(0);
  return tensor.masked_fill(missing.to(tensor.device()).view(shape), not_there);
}

/// The published decomposition has neither embedding nor constant, and leaves out the first and the last layer.
void leave_out_unpublished(at::Tensor& parts, std::int64_t layers) {
  for (auto const part : {std::int64_t{0}, std::int64_t{1}, layers, layers + 1, 2 * layers, 2 * layers + 1})
    parts.select(1, part).fill_(not_there);
}

at::Tensor on_host(at::Tensor const& tensor) {
  return tensor.to(at::kCPU).contiguous();
}

}  // namespace

FactAnalyser::FactAnalyser(CausalLM const& model, std::vector<SubjectPrompt> const& prompts, std::vector<int> const& layers,
                           AnalysisOptions const& options, bool published)
    : model_(model),
      options_(options),
      published_(published),
      recorder_(model, prompts, layers, options.maps != MapDetail::none),
      original_(recorder_.record({model})) {
  std::vector<std::int64_t> places, some;
  for (auto const place : options.places) places.push_back(place == AnalysisPlace::last ? 0 : 1);
  for (std::int64_t fact = 0; fact < recorder_.prompts(); ++fact) {
    for (auto const place : places) some.push_back(2 * fact + place);
  }
  places_ = index_tensor(places, at::kCPU);
  some_ = index_tensor(some, at::kCPU);
  IndexMove().add(places_).add(some_).to(model.device());
}

/// [read, …] as [facts, places, …] of the places that are asked for, on the host.
at::Tensor FactAnalyser::by_fact(at::Tensor const& of_read, at::Tensor const& missing) const {
  auto const wanted = of_read.unflatten(0, {recorder_.prompts(), 2}).index_select(1, places_);
  return on_host(without_missing(wanted, missing));
}

ModelAnalysis FactAnalyser::analyse(RecordedModel const& recorded, PassRecord const& record, at::Tensor const& missing) const {
  c10::NoGradGuard const no_gradients;
  auto const& model = recorded.model;
  auto const& objects = recorder_.objects();
  auto const readout = frozen_readout(model, record.residual.back(), objects);
  ModelAnalysis result;
  result.facts = recorder_.prompts() - (missing.defined() ? missing.sum().item<std::int64_t>() : 0);
  if (options_.contributions) {
    auto const& tokens = published_ ? recorder_.published_objects() : objects;
    auto const shown = published_ ? published_readout(model, tokens) : readout;
    auto parts = contributions(model, record, shown, tokens);
    if (published_) leave_out_unpublished(parts, model.config().layers);
    result.contributions = by_fact(parts, missing);
    if (options_.heads) result.heads = by_fact(head_contributions(model, record, shown), missing);
    if (options_.sources) {
      auto const sources = source_contributions(model, record, shown);
      result.sources = by_fact(options_.heads ? sources : sources.sum(2, true), missing);
    }
    if (options_.inner_units > 0) {
      auto const units = unit_contributions(recorder_, recorded, record, shown);
      auto const all = at::cat({units, (units.select(3, 1) - units.select(3, 0)).abs().unsqueeze(3)}, 3);
      result.units = by_fact(all, missing).to(at::kDouble).nansum(0);
    }
  }
  if (options_.attention) {
    auto const direction = readout.direction.unflatten(0, {recorder_.prompts(), 2}).select(1, 0);
    auto const heads = attention_shift(recorder_, model, record, original_, direction);
    auto const layer = over_heads(heads).unsqueeze(2);
    result.attention = on_host(without_missing(options_.heads ? at::cat({layer, heads}, 2) : layer, missing));
  }
  if (options_.traces) {
    auto const all = traces(model, record, readout, objects, some_);
    auto const facts = all.unflatten(0, {recorder_.prompts(), places_.numel()});
    result.traces = on_host(without_missing(facts, missing));
  }
  if (options_.maps != MapDetail::none) {
    auto const maps = place_maps(recorder_, model, record, original_);
    result.aligned_maps = on_host(without_missing(aligned_maps(recorder_, maps), missing));
    if (options_.maps == MapDetail::facts) result.maps = on_host(without_missing(maps, missing));
  }
  return result;
}

at::Tensor FactAnalyser::tracks(PassRecord const& record, std::vector<std::int64_t> const& dimensions,
                                at::Tensor const& missing) const {
  return by_fact(dimension_tracks(record, dimensions), missing);
}

}  // namespace onemask
