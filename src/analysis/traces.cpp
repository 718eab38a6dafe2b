#include "analysis/traces.hpp"

#include "analysis/contributions.hpp"
#include <onemask/model/head_loss.hpp>

#include <limits>

namespace onemask {
namespace {

constexpr auto unknown = std::numeric_limits<double>::quiet_NaN();

/// Log-probabilities of tokens [places, 2] under the logit lens, then their ranks, [places, 4].
at::Tensor lens(CausalLM const& model, at::Tensor const& residual, at::Tensor const& tokens) {
  auto const table = log_probabilities(model, model.final_norm(residual));
  auto const own = table.gather(1, tokens);
  std::vector<at::Tensor> ranks;
  for (std::int64_t t = 0; t < tokens.size(1); ++t) {
    auto const level = own.narrow(1, t, 1);
    ranks.push_back((table > level).sum(1, true).add(1).to(at::kFloat).masked_fill(level.isnan(), unknown));
  }
  ranks.insert(ranks.begin(), own);
  return at::cat(ranks, 1);
}

}  // namespace

at::Tensor traces(CausalLM const& model, PassRecord const& record, Readout const& readout, at::Tensor const& tokens,
                  at::Tensor const& some) {
  auto const of_tokens = tokens.index_select(0, some);
  auto const direction = readout.direction.index_select(0, some), constant = readout.constant.index_select(0, some);
  std::vector<at::Tensor> layers;
  for (auto const& residual : record.residual) {
    auto const stream = residual.index_select(0, some);
    auto const so_far = at::matmul(direction, stream.to(at::kFloat).unsqueeze(2)).squeeze(2) + constant;
    layers.push_back(at::cat({so_far, lens(model, stream, of_tokens)}, 1));
  }
  return at::stack(layers, 1);
}

at::Tensor dimension_tracks(PassRecord const& record, std::vector<std::int64_t> const& dimensions) {
  auto const index = index_tensor(dimensions, record.residual.front().device());
  std::vector<at::Tensor> layers;
  for (auto const& residual : record.residual) layers.push_back(residual.index_select(1, index).to(at::kFloat));
  return at::stack(layers, 1);
}

at::Tensor place_maps(PassRecorder const& recorder, CausalLM const& model, PassRecord const& record, PassRecord const& original) {
  auto const& layout = recorder.layout();
  auto const prompts = recorder.prompts();
  // Both objects of each token's prompt; a prompt has two read places.
  auto const of_prompts = recorder.objects().view({prompts, 2, 2}).select(1, 0);
  auto const objects = of_prompts.index_select(0, layout.row);
  auto const padding = layout.padded_positions.lt(0).unsqueeze(2).unsqueeze(3);
  std::vector<at::Tensor> layers;
  for (std::size_t l = 0; l < record.everywhere.size(); ++l) {
    auto const now = record.everywhere[l].to(at::kFloat), before = original.everywhere[l].to(at::kFloat);
    auto const distance = (now - before).norm(2, 1) / before.norm(2, 1);
    auto const logits = logits_of(model, record.everywhere[l], objects);
    auto const odds = logits.select(1, 1) - logits.select(1, 0);
    auto const spread = [&](at::Tensor const& of_tokens) {
      return of_tokens.index_select(0, layout.pad).view({prompts, layout.width});
    };
    auto const attention = l == 0 ? at::full({prompts, layout.width}, unknown, now.options())
                                  : record.attention[l - 1].select(1, 0).to(at::kFloat).mean(1);
    layers.push_back(at::stack({spread(distance), spread(odds), attention}, 2));
  }
  return at::stack(layers, 2).masked_fill(padding, unknown);
}

at::Tensor aligned_maps(PassRecorder const& recorder, at::Tensor const& maps) {
  auto const ends = recorder.layout().padded_positions.amax(1);
  auto const after = recorder.last() + 1;
  auto const places = at::stack({recorder.first(), recorder.last(), after.minimum(ends), ends}, 1);  // [prompts, 4]
  auto const index = places.view({places.size(0), 4, 1, 1}).expand({-1, -1, maps.size(2), maps.size(3)});
  auto aligned = maps.gather(1, index);
  aligned.select(1, 2).masked_fill_(after.gt(ends).view({-1, 1, 1}), unknown);
  return aligned;
}

}  // namespace onemask
