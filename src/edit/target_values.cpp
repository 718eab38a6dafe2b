#include "edit/outcome_json.hpp"
#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/edit/target_values.hpp>
#include <onemask/edit/value_search.hpp>

#include <algorithm>

namespace onemask {

TargetValues find_target_values(CausalLM const& model, std::span<EditRequest const> requests, EditHparams const& hparams) {
  bool const merge = hparams.method == EditMethod::memit_merge;
  TargetValues result{{}, merge ? values_by_subject(requests) : own_values(requests.size()), {}};
  auto const found = find_values(model, requests, result.value_of, hparams, value_origin(model, hparams.method));
  result.values = (found.origin + found.delta).to(at::kCPU);
  auto const values = static_cast<std::size_t>(result.values.size(0));
  invariant(result.value_of.size() == requests.size(), result.value_of.size(), " of ", requests.size(), " facts have a value");
  invariant(found.steps.size() == values && found.failures.size() == values, "of ", values, " values, ", found.steps.size(),
            " were searched for");
  auto const deltas = found.delta.norm(2, {1}).to(at::kCPU, at::kDouble),
             origins = found.origin.norm(2, {1}).to(at::kCPU, at::kDouble);
  for (std::size_t r = 0; r < requests.size(); ++r) {
    auto const value = static_cast<std::size_t>(result.value_of[r]);
    auto const row = result.value_of[r];
    auto const& last = found.steps[value].back();
    auto failure = found.failures[value];
    if (failure.empty() && !result.values[row].isfinite().all().item<bool>()) failure = "the value found is not finite";
    result.facts.push_back({requests[r].case_id, static_cast<int>(found.steps[value].size()), last.loss, last.p_new,
                            deltas[row].item<double>(), origins[row].item<double>(), failure});
  }
  return result;
}

TargetValues joined(std::vector<TargetValues> const& chunks) {
  TargetValues result;
  std::vector<at::Tensor> values;
  std::int64_t first = 0;
  for (auto const& chunk : chunks) {
    result.facts.insert(result.facts.end(), chunk.facts.begin(), chunk.facts.end());
    for (auto value : chunk.value_of) result.value_of.push_back(first + value);
    values.push_back(chunk.values);
    first += chunk.values.size(0);
  }
  result.values = at::cat(values);
  invariant(result.values.size(0) == first && result.facts.size() == result.value_of.size(), result.facts.size(), " facts have ",
            result.value_of.size(), " values, of which ", result.values.size(0), " are there");
  return result;
}

std::string to_bytes(TargetValues const& values) {
  nlohmann::json const facts{{"facts", values.facts}, {"value_of", values.value_of}};
  return write_safetensors({{"values", values.values}}, {{"target_values", facts.dump()}});
}

TargetValues target_values_from_bytes(std::string bytes, std::string const& source) {
  auto const file = SafetensorsFile::parse(std::move(bytes), source);
  try {
    auto const facts = nlohmann::json::parse(file.metadata().at("target_values"));
    TargetValues result{facts.at("facts").get<std::vector<EditOutcome>>(), facts.at("value_of").get<std::vector<std::int64_t>>(),
                        file.tensor("values")};
    bool fits =
        result.values.dim() == 2 && result.values.scalar_type() == at::kFloat && result.facts.size() == result.value_of.size();
    for (auto value : result.value_of) fits = fits && value >= 0 && value < result.values.size(0);
    if (!fits) throw UserError("its parts do not match");
    return result;
  } catch (std::exception const& e) {
    throw UserError(source + " does not hold target values: " + e.what() + ". Delete it; it will be made again.");
  }
}

}  // namespace onemask
