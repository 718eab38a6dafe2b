#include "model/families.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/text.hpp>
#include <onemask/gpu/gpus.hpp>
#include <onemask/model/causal_lm.hpp>
#include <onemask/model/layers.hpp>

#include <map>

#include <ATen/Context.h>
#include <c10/util/Exception.h>
#include <fmt/core.h>

namespace onemask {
namespace {

/// Makes sums by index on a GPU come out the same in every run; their order is left to chance otherwise. CPUs need nothing.
/// LibTorch has this setting once for a process, so it holds from the first model on a GPU on.
void use_repeatable_sums(c10::Device device) {
  if (device.is_cpu()) return;
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
  at::globalContext().setDeterministicFillUninitializedMemory(false);
}

/// Loads a model; where its weights do not fit on the device, says what is there and what they need.
template <class Load>
std::unique_ptr<CausalLM> fit_on_device(Checkpoint const& checkpoint, Placement placement, Load const& load) {
  if (placement.device.is_cpu()) return load();
  auto const before = describe_gpu(placement.device);
  try {
    return load();
  } catch (c10::OutOfMemoryError const& error) {
    if (before.memory == 0) throw RunError(error.what_without_backtrace());
    auto const bytes = [](auto number) { return format_bytes(static_cast<double>(number)); };
    std::uint64_t weights = 0;
    for (auto const& [type, count] : checkpoint.weights()) weights += count;
    throw RunError(fmt::format(
        "The model does not fit into the memory of {} ({}): its weights need {}, and {} of {} are free. If another program "
        "uses the device (nvidia-smi lists them), wait for its end or request another device. Otherwise set model.dtype to "
        "bfloat16, or start fewer ranks on a device.",
        placement.device.str(), before.name, bytes(weights * c10::elementSize(placement.dtype)), bytes(before.free_memory),
        bytes(before.memory)));
  }
}

}  // namespace

std::unique_ptr<CausalLM> load_causal_lm(Checkpoint const& checkpoint, Placement placement) {
  using Maker = std::unique_ptr<CausalLM> (*)(Checkpoint const&, Placement);
  static std::map<std::string, Maker> const makers{
      {"gemma2", make_gemma}, {"gemma3_text", make_gemma}, {"gpt2", make_gpt2},     {"gpt_neox", make_gpt_neox},
      {"gptj", make_gptj},    {"llama", make_llama},       {"mistral", make_llama}, {"olmo2", make_olmo2},
      {"phi3", make_phi3},    {"qwen2", make_llama},       {"qwen3", make_qwen3}};
  auto const maker = makers.find(checkpoint.config().family);
  invariant(maker != makers.end(), "the family '", checkpoint.config().family, "' can be read but not computed");
  use_repeatable_sums(placement.device);
  return fit_on_device(checkpoint, placement, [&] { return maker->second(checkpoint, placement); });
}

at::Tensor CausalLM::attention_output(int layer, at::Tensor const& context) const {
  return attention_norm(layer)(attention_projection(layer)(context));
}

at::Tensor CausalLM::mlp_output(int layer, at::Tensor const& projected) const {
  auto const norm = mlp_norm(layer);
  invariant(norm.scale.defined() == config_.mlp_norm, "layer ", layer, " of '", config_.family,
            "' has a norm behind its MLP, or lacks it, against its configuration");
  return norm(projected);
}

at::Tensor CausalLM::logits(at::Tensor const& normed) const {
  auto const logits = at::linear(normed, head(), head_bias());
  return config_.logit_cap ? soft_cap(logits, *config_.logit_cap) : logits;
}

Projection CausalLM::projection(int layer) const {
  auto projection = stored_projection(layer);
  auto const replaced = replaced_.find(layer);
  if (replaced != replaced_.end()) projection.weight = replaced->second;
  return projection;
}

std::unique_ptr<CausalLM> CausalLM::with_projections(std::map<int, at::Tensor> weights) const {
  auto result = copy();
  for (auto& [layer, weight] : weights) {
    auto const before = projection(layer).weight;
    invariant(weight.sizes() == before.sizes(), "layer ", layer, " gets a matrix of ", weight.numel(), " entries for one of ",
              before.numel());
    result->replaced_.insert_or_assign(layer, std::move(weight));
  }
  return result;
}

void require_layer(CausalLM const& model, int layer, std::string const& where) {
  auto const layers = model.config().layers;
  if (layer < 0 || layer >= layers) {
    throw UserError(
        fmt::format("{} names layer {}, but the model has layers 0 to {}. Choose one of these.", where, layer, layers - 1));
  }
}

}  // namespace onemask
