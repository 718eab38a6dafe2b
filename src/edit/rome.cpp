#include <onemask/core/invariant.hpp>
#include <onemask/edit/rome.hpp>
#include <onemask/model/pass.hpp>

#include <c10/core/GradMode.h>

namespace onemask {
namespace {

double norm_of(at::Tensor const& vector) {
  return vector.norm().item<double>();
}

}  // namespace

std::vector<RomeResult> rome(CausalLM const& model, std::span<EditRequest const> requests, EditHparams const& hparams,
                             KeyBasis const* moment) {
  std::vector<RomeResult> results(requests.size());
  if (requests.empty()) return results;
  invariant(!hparams.mom2_adjustment || moment != nullptr, "ROME shall use a second moment, but has none");
  auto const found = find_values(model, requests, own_values(requests.size()), hparams, value_origin(model, hparams.method));
  invariant(found.steps.size() == requests.size() && found.failures.size() == requests.size(), "values were found for ",
            found.steps.size(), " facts of ", requests.size());
  invariant(found.keys.size(0) == std::ssize(requests) && found.delta.size(0) == std::ssize(requests), "there are ",
            found.keys.size(0), " keys and ", found.delta.size(0), " values for ", requests.size(), " facts");
  c10::NoGradGuard const no_gradients;
  auto const& key = found.keys;
  auto const direction =
      hparams.mom2_adjustment ? moment->solve(key.t().to(at::kCPU, at::kDouble)).t().to(key.device(), at::kFloat) : key;
  auto const unit = direction / direction.norm(2, {1}, true);
  bool const averaged = hparams.method == EditMethod::r_rome;
  auto const read_key = averaged ? key : found.plain_keys;
  auto const read_value =
      averaged ? project(model.projection(hparams.layer()), key.to(model.dtype())).to(at::kFloat) : found.origin;
  auto const left = (found.origin + found.delta - read_value) / (read_key * unit).sum(1, true);
  auto const lefts = left.to(at::kCPU), rights = unit.to(at::kCPU), deltas = found.delta.to(at::kCPU),
             origins = found.origin.to(at::kCPU), keys = key.to(at::kCPU), read_keys = read_key.to(at::kCPU);
  for (std::size_t r = 0; r < results.size(); ++r) {
    auto& [edit, trace] = results[r];
    auto const index = static_cast<std::int64_t>(r);
    trace = {found.steps[r], keys[index], read_keys[index], origins[index], deltas[index]};
    static_cast<EditOutcome&>(edit) = {
        requests[r].case_id,  static_cast<int>(trace.steps.size()), trace.steps.back().loss, trace.steps.back().p_new,
        norm_of(trace.delta), norm_of(trace.target_init),           found.failures[r]};
    edit.layer = hparams.layer();
    if (edit.failure.empty() && !(lefts[index].isfinite().all().item<bool>() && rights[index].isfinite().all().item<bool>())) {
      edit.failure = "the factors of the update are not finite";
    }
    if (edit.failure.empty()) {
      edit.left = lefts[index].unsqueeze(0).clone();
      edit.right = rights[index].unsqueeze(0).clone();
    }
  }
  return results;
}

}  // namespace onemask
