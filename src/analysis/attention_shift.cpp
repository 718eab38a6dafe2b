#include "analysis/attention_shift.hpp"

#include "analysis/contributions.hpp"
#include <onemask/analysis/attention_measure.hpp>

#include <vector>

namespace onemask {
namespace {

/// Of the last places, [prompts, heads, width].
at::Tensor last_rows(PassRecord const& record, std::size_t layer) {
  return record.attention[layer].select(1, 0).to(at::kFloat);
}

/// What the readout of each head makes of its values, [prompts, heads, width].
at::Tensor read_values(PassRecord const& record, std::size_t layer, at::Tensor const& heads) {
  auto const& values = record.values[layer];
  auto const groups = heads.size(1) / values.size(1);
  auto const all = (groups > 1 ? values.repeat_interleave(groups, 1) : values).to(at::kFloat);
  return at::matmul(all, heads.unsqueeze(3)).squeeze(3);
}

/// The entries at one place of each prompt, [prompts, heads], of [prompts, heads, width].
at::Tensor at_place(at::Tensor const& tensor, at::Tensor const& place) {
  return tensor.gather(2, place.view({-1, 1, 1}).expand({-1, tensor.size(1), 1})).squeeze(2);
}

}  // namespace

at::Tensor attention_shift(PassRecorder const& recorder, CausalLM const& model, PassRecord const& record,
                           PassRecord const& original, at::Tensor const& direction) {
  auto const& place = recorder.last();
  auto const pull_direction = (direction.select(1, 1) - direction.select(1, 0)).unsqueeze(1);  // new less true
  auto const places = at::arange(recorder.layout().width, place.options()).view({1, 1, -1});
  auto const in_subject = places.ge(recorder.first().view({-1, 1, 1})).logical_and(places.le(place.view({-1, 1, 1})));
  std::vector<at::Tensor> layers;
  for (int layer = 0; layer < model.config().layers; ++layer) {
    auto const l = static_cast<std::size_t>(layer);
    auto const context = model.attention_norm(layer).scale.defined()
                             ? contexts(record, layer).view({recorder.prompts(), 2, -1}).select(1, 0)
                             : at::Tensor();
    auto const heads = head_readout(model, layer, pull_direction, context).direction.select(1, 0);  // [prompts, heads, head_dim]
    auto const before = last_rows(original, l), after = last_rows(record, l);
    auto const before_values = read_values(original, l, heads), after_values = read_values(record, l, heads);
    auto const moved = after - before, changed = after_values - before_values;
    auto const alpha = at_place(after, place);
    auto const most = at_place(before, place).amax(1, true);
    auto const split = [&](at::Tensor const& shift) {
      auto const here = at_place(shift, place);
      return std::pair(here, shift.sum(2) - here);
    };
    auto const [pattern, pattern_elsewhere] = split(moved * before_values);
    auto const [value, value_elsewhere] = split(before * changed);
    auto const [interaction, interaction_elsewhere] = split(moved * changed);
    layers.push_back(at::stack(
        {alpha, alpha, (after * in_subject).sum(2), alpha.gt(most).to(at::kFloat), at_place(after * after_values, place), pattern,
         value, interaction, pattern_elsewhere, value_elsewhere, interaction_elsewhere},
        2));
  }
  return at::stack(layers, 1);
}

at::Tensor over_heads(at::Tensor const& shift) {
  auto result = shift.sum(2);
  auto const of = [](at::Tensor const& tensor, AttentionMeasure measure) {
    return tensor.select(-1, static_cast<std::int64_t>(measure));
  };
  using enum AttentionMeasure;
  for (auto const measure : {alpha, alpha_subject, drifting}) of(result, measure).copy_(of(shift, measure).mean(2));
  of(result, alpha_max).copy_(of(shift, alpha).amax(2));
  return result;
}

}  // namespace onemask
