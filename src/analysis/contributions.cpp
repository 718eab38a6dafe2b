#include "analysis/contributions.hpp"

#include <vector>

namespace onemask {
namespace {

at::Tensor wide(at::Tensor const& tensor) {
  return tensor.to(at::kFloat);
}

/// Values for every head, [prompts, heads, width, head_dim].
at::Tensor values_of_heads(PassRecord const& record, std::size_t layer) {
  auto const& values = record.values[layer];
  auto const groups = record.attention[layer].size(2) / values.size(1);
  return wide(groups > 1 ? values.repeat_interleave(groups, 1) : values);
}

/// The readout of a layer's heads at the read places.
HeadReadout readout_of_heads(CausalLM const& model, PassRecord const& record, int layer, Readout const& readout) {
  // The weighted values decide a norm behind attention, and nothing where there is none.
  auto const context = model.attention_norm(layer).scale.defined() ? contexts(record, layer) : at::Tensor();
  return head_readout(model, layer, readout.direction, context);
}

}  // namespace

at::Tensor contributions(CausalLM const& model, PassRecord const& record, Readout const& readout, at::Tensor const& tokens) {
  std::vector<at::Tensor> parts{wide(record.residual.front())};
  auto const layers = record.after_attention.size();
  // Differences of the stream add up to it whatever its type rounds.
  for (std::size_t l = 0; l < layers; ++l) parts.push_back(wide(record.after_attention[l]) - wide(record.residual[l]));
  for (std::size_t l = 0; l < layers; ++l) parts.push_back(wide(record.residual[l + 1]) - wide(record.after_attention[l]));
  auto const added = at::matmul(at::stack(parts, 1), readout.direction.transpose(1, 2));
  auto const logits = logits_of(model, record.residual.back(), tokens);
  return at::cat({added, readout.constant.unsqueeze(1), logits.unsqueeze(1)}, 1);
}

at::Tensor contexts(PassRecord const& record, int layer) {
  auto const l = static_cast<std::size_t>(layer);
  auto const& attention = record.attention[l];
  auto const& values = record.values[l];
  auto const groups = attention.size(2) / values.size(1);
  auto const all = groups > 1 ? values.repeat_interleave(groups, 1) : values;
  auto const weighted = at::matmul(attention.transpose(1, 2), all);  // [prompts, heads, 2, head_dim]
  return weighted.transpose(1, 2).reshape({attention.size(0) * 2, attention.size(2) * all.size(3)});
}

at::Tensor head_contributions(CausalLM const& model, PassRecord const& record, Readout const& readout) {
  std::vector<at::Tensor> layers;
  for (int layer = 0; layer < model.config().layers; ++layer) {
    auto const read = readout_of_heads(model, record, layer, readout);
    auto const context = wide(contexts(record, layer)).view({read.direction.size(0), 1, read.direction.size(2), -1});
    auto const heads = (read.direction * context).sum(3);  // [read, 2, heads]
    layers.push_back(at::cat({heads, read.bias.unsqueeze(2)}, 2).transpose(1, 2));
  }
  return at::stack(layers, 1);
}

at::Tensor source_contributions(CausalLM const& model, PassRecord const& record, Readout const& readout) {
  std::vector<at::Tensor> layers;
  for (int layer = 0; layer < model.config().layers; ++layer) {
    auto const l = static_cast<std::size_t>(layer);
    auto const read = readout_of_heads(model, record, layer, readout).direction;
    auto const& attention = record.attention[l];
    auto const prompts = attention.size(0), heads = attention.size(2), width = attention.size(3);
    // [prompts, heads, 2 places * 2 tokens, head_dim] with the values [prompts, heads, head_dim, width]
    auto const of_prompts = read.view({prompts, 4, heads, -1}).transpose(1, 2);
    auto const read_values =
        at::matmul(of_prompts, values_of_heads(record, l).transpose(2, 3)).view({prompts, heads, 2, 2, width});
    auto const weighted = read_values * wide(attention).permute({0, 2, 1, 3}).unsqueeze(3);
    layers.push_back(weighted.permute({0, 2, 1, 4, 3}).reshape({prompts * 2, heads, width, 2}));
  }
  return at::stack(layers, 1);
}

at::Tensor unit_contributions(PassRecorder const& recorder, RecordedModel const& recorded, PassRecord const& record,
                              Readout const& readout) {
  auto const& [model, change] = recorded;
  std::vector<at::Tensor> layers;
  for (std::size_t i = 0; i < recorder.layers().size(); ++i) {
    auto const layer = recorder.layers()[i];
    auto const projection = model.projection(layer);
    auto const own = i == 0 ? recorder.override_at(change, recorder.read()) : ProjectionOverride();
    auto const norm = model.mlp_norm(layer);
    auto const read = norm.scale.defined()
                          ? norm.frozen_at(project(projection, record.keys[i], own)).transposed(readout.direction)
                          : readout.direction;
    auto const mask = own.mask.defined() ? wide(own.mask) : at::Tensor();
    auto const weight = wide(projection.weight);
    auto columns = at::matmul(read, mask.defined() && own.masks_weight ? weight * mask : weight);  // [read, 2, inner]
    for (std::int64_t k = 0; own.left.defined() && k < own.left.size(1); ++k) {
      auto const left = wide(own.left.select(1, k)).index_select(0, own.edit).unsqueeze(1);
      auto const right = wide(own.right.select(1, k)).index_select(0, own.edit).unsqueeze(1);
      auto const scaled = read * left;
      columns = columns + right * (mask.defined() && own.masks_edit ? at::matmul(scaled, mask) : scaled.sum(2, true));
    }
    layers.push_back((columns * wide(record.keys[i]).unsqueeze(1)).transpose(1, 2));
  }
  return at::stack(layers, 1);
}

}  // namespace onemask
