#include "analysis/readout.hpp"

namespace onemask {
namespace {

/// Rows of the unembedding, [places, tokens, hidden].
at::Tensor rows_of_head(CausalLM const& model, at::Tensor const& tokens) {
  return model.head().index_select(0, tokens.flatten()).view({tokens.size(0), tokens.size(1), -1});
}

at::Tensor bias_of_head(CausalLM const& model, at::Tensor const& tokens) {
  auto const bias = model.head_bias();
  auto const wide = at::TensorOptions().dtype(at::kFloat).device(tokens.device());
  return bias.defined() ? bias.index_select(0, tokens.flatten()).view(tokens.sizes()).to(at::kFloat)
                        : at::zeros(tokens.sizes(), wide);
}

}  // namespace

Readout frozen_readout(CausalLM const& model, at::Tensor const& residual, at::Tensor const& tokens) {
  auto const rows = rows_of_head(model, tokens);
  auto const norm = model.final_norm().frozen_at(residual);
  Readout readout{norm.transposed(rows), bias_of_head(model, tokens)};
  if (norm.shift.defined()) readout.constant = readout.constant + at::matmul(rows.to(at::kFloat), norm.shift);
  return readout;
}

Readout published_readout(CausalLM const& model, at::Tensor const& tokens) {
  auto const rows = rows_of_head(model, tokens).to(at::kFloat);
  return {rows, at::zeros({rows.size(0), rows.size(1)}, rows.options())};
}

at::Tensor logits_of(CausalLM const& model, at::Tensor const& residual, at::Tensor const& tokens) {
  auto const normed = model.final_norm(residual).unsqueeze(2);
  return at::matmul(rows_of_head(model, tokens), normed).squeeze(2).to(at::kFloat) + bias_of_head(model, tokens);
}

HeadReadout head_readout(CausalLM const& model, int layer, at::Tensor const& direction, at::Tensor const& context) {
  auto const projection = model.attention_projection(layer);
  auto const norm = model.attention_norm(layer);
  auto const read = norm.scale.defined() ? norm.frozen_at(projection(context)).transposed(direction) : direction;
  auto const heads = at::matmul(read, projection.weight.to(at::kFloat));
  auto const count = model.config().heads;
  auto const bias = projection.bias.defined() ? at::matmul(read, projection.bias.to(at::kFloat))
                                              : at::zeros({direction.size(0), direction.size(1)}, direction.options());
  return {heads.view({direction.size(0), direction.size(1), count, -1}), bias};
}

}  // namespace onemask
