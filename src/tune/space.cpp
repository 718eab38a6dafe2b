#include "tune/space.hpp"

#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/settings/make_field.hpp>
#include <onemask/tune/tune.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/core.h>

namespace onemask {
namespace {

constexpr int by_model = -1;

Field<EditHparams> const& field_of(std::string const& key) {
  auto const& fields = fields_of<EditHparams>();
  auto const found = std::find_if(fields.begin(), fields.end(), [&](auto const& field) { return field.name == key; });
  invariant(found != fields.end(), "there is no setting '", key, "'");
  return *found;
}

/// The one setting of the solve that decides most.
double& solve_weight(EditHparams& hparams) {
  switch (hparams.method) {
    case EditMethod::emmet:
      return hparams.emmet_lambda;
    case EditMethod::alphaedit:
      return hparams.nullspace_threshold;
    default:
      return hparams.mom2_update_weight;
  }
}

/// To two digits.
double rounded(double value) {
  return std::stod(fmt::format("{:.2g}", value));
}

std::vector<EditHparams> with_weights(EditHparams const& hparams, std::vector<double> const& weights) {
  std::vector<EditHparams> all;
  for (auto const weight : weights) {
    all.push_back(hparams);
    solve_weight(all.back()) = weight;
  }
  return all;
}

}  // namespace

EditHparams usual_hparams(EditMethod method) {
  EditHparams hparams;
  hparams.method = method;
  hparams.layers = {by_model};
  hparams.v_loss_layer = by_model;
  hparams.v_num_grad_steps = 25;
  hparams.v_weight_decay = 0.001;
  if (method == EditMethod::emmet) hparams.mom2_update_weight = 1;
  if (edits_in_batches(method)) hparams.context_template_length_params = {{10, 5}};
  return hparams;
}

void require_tunable(EditMethod method) {
  if (method == EditMethod::imported)
    throw UserError("The study takes finished edits (edit.files), which have no settings to tune. Leave edit.files out.");
  if (method != EditMethod::ft_l) return;
  throw UserError(
      "onemask tune does not tune ft-l: it searches for no values, and lr and norm_constraint decide it. Sweep these two, such "
      "as with --sweep edit.lr=logspace(-4,-2,5).");
}

EditHparams for_model(EditHparams hparams, ModelConfig const& model) {
  auto const layers = static_cast<int>(model.layers);
  if (hparams.v_loss_layer == by_model) hparams.v_loss_layer = layers - 1;
  if (hparams.layers != std::vector{by_model}) return hparams;
  // Published windows have five layers in models of 28 to 48.
  auto const length = edits_in_batches(hparams.method) && !model.mlp_norm ? std::clamp((layers + 3) / 6, 1, 5) : 1;
  hparams.layers.resize(static_cast<std::size_t>(length));
  std::iota(hparams.layers.begin(), hparams.layers.end(), 0);
  return hparams;
}

EditHparams ending_at(EditHparams const& start, int last) {
  auto hparams = start;
  hparams.layers.resize(std::min(start.layers.size(), static_cast<std::size_t>(last) + 1));
  std::iota(hparams.layers.begin(), hparams.layers.end(), last + 1 - static_cast<int>(hparams.layers.size()));
  return hparams;
}

TuneCandidate candidate_at(EditHparams const& start, int last, std::vector<ChangedSetting> changed) {
  TuneCandidate candidate{ending_at(start, last), std::move(changed)};
  for (auto const& [key, value] : candidate.changed) {
    auto const problem = field_of(key).set(candidate.hparams, YamlValue(yaml_text(value)));
    invariant(problem.empty(), key, " ", problem);
  }
  return candidate;
}

std::vector<ChangedSetting> variations_of(EditHparams const& start) {
  auto const steps = [&](double factor) { return std::max(1.0, std::round(start.v_num_grad_steps * factor)); };
  std::vector<ChangedSetting> variations{{"v_lr", start.v_lr * 2},
                                         {"v_lr", start.v_lr / 2},
                                         {"v_num_grad_steps", steps(1.8)},
                                         {"clamp_norm_factor", start.clamp_norm_factor / 2},
                                         {"v_lr", start.v_lr * 4},
                                         {"clamp_norm_factor", start.clamp_norm_factor * 2},
                                         {"v_weight_decay", start.v_weight_decay < 0.05 ? 0.5 : 0.001},
                                         {"kl_factor", start.kl_factor * 16},
                                         {"v_num_grad_steps", steps(0.6)},
                                         {"v_lr", start.v_lr / 4}};
  std::erase_if(variations, [&](auto const& change) {
    return name_of_settings(candidate_at(start, start.layer(), {change}).hparams) ==
           name_of_settings(ending_at(start, start.layer()));
  });
  return variations;
}

bool has_solve(EditMethod method) {
  return edits_in_batches(method);
}

std::vector<EditHparams> solves_of(EditHparams const& hparams) {
  if (!has_solve(hparams.method)) return {hparams};
  auto start = hparams;
  auto& weight = solve_weight(start);
  if (weight <= 0) weight = 0.1;  // EMMET's 0 asks for exact edits, which facts with dependent keys do not have
  if (hparams.method == EditMethod::alphaedit) return with_weights(hparams, {weight, weight / 10, weight * 10});
  // From nearly exact edits to the weights of MEMIT.
  if (hparams.method == EditMethod::emmet) return with_weights(hparams, {weight, weight / 100, weight * 100, weight * 10000});
  return with_weights(hparams, {weight, weight / 10, weight / 100, weight * 10});
}

std::vector<EditHparams> finer_solves_of(EditHparams const& hparams, int window) {
  if (!has_solve(hparams.method)) return {hparams};
  auto best = hparams;
  auto const weight = solve_weight(best);
  double const factor = hparams.method == EditMethod::emmet ? 10 : 3;
  auto all = with_weights(hparams, {weight, rounded(weight / factor), rounded(weight * factor)});
  if (hparams.method == EditMethod::alphaedit) {
    for (double const ridge : {hparams.l2 / 10, hparams.l2 * 10}) {
      all.push_back(hparams);
      all.back().l2 = ridge;
    }
  }
  auto const length = static_cast<int>(hparams.layers.size());
  for (auto const other : {1, (length + 1) / 2, length + 2}) {
    if (other > window) continue;
    auto resized = hparams;
    resized.layers.assign(static_cast<std::size_t>(std::min(other, hparams.layer() + 1)), 0);
    resized = ending_at(resized, hparams.layer());
    bool const known =
        std::any_of(all.begin(), all.end(), [&](auto const& one) { return name_of_settings(one) == name_of_settings(resized); });
    if (!known) all.push_back(std::move(resized));
  }
  return all;
}

std::vector<std::string> tuned_keys(EditMethod method) {
  std::vector<std::string> keys{"layers", "v_lr", "v_num_grad_steps", "clamp_norm_factor", "v_weight_decay", "kl_factor"};
  if (method == EditMethod::memit || method == EditMethod::memit_merge) keys.emplace_back("mom2_update_weight");
  if (method == EditMethod::emmet) keys.emplace_back("emmet_lambda");
  if (method == EditMethod::alphaedit) keys.insert(keys.end(), {"nullspace_threshold", "L2"});
  return keys;
}

std::string value_of_setting(EditHparams const& hparams, std::string const& key) {
  return field_of(key).text(hparams);
}

std::string name_of_settings(EditHparams const& hparams) {
  std::string name;
  for (auto const& key : tuned_keys(hparams.method))
    name += fmt::format("{}edit.{}={}", name.empty() ? "" : " ", key, value_of_setting(hparams, key));
  return name;
}

}  // namespace onemask
