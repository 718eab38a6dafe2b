#include "analysis/attention_shift.hpp"

#include "analysed_model.hpp"
#include "analysis/contributions.hpp"
#include <onemask/analysis/attention_measure.hpp>

#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using enum AttentionMeasure;

at::Tensor measure(at::Tensor const& shift, AttentionMeasure which) {
  return shift.select(-1, static_cast<std::int64_t>(which));
}

class AttentionShift : public testing::TestWithParam<std::string> {
 protected:
  at::Tensor shift_of(PassRecord const& record) const {
    auto const direction =
        frozen_readout(*tiny_.model, record.residual.back(), recorder_.objects()).direction.unflatten(0, {3, 2}).select(1, 0);
    return attention_shift(recorder_, *tiny_.model, record, original_, direction);
  }

  c10::NoGradGuard const no_gradients_;
  AnalysedTiny const tiny_{GetParam()};
  PassRecorder const recorder_{*tiny_.model, tiny_.prompts, {AnalysedTiny::layer}, false};
  PassRecord const original_ = recorder_.record({*tiny_.model});
  PassRecord const edited_ = recorder_.record({*tiny_.model, tiny_.edited});
};

INSTANTIATE_TEST_SUITE_P(Families, AttentionShift, testing::ValuesIn(model_families()));

TEST_P(AttentionShift, ProbabilitiesAreThoseOfThePass) {
  auto const shift = shift_of(original_);
  for (std::size_t p = 0; p < 3; ++p) {
    auto const& prompt = tiny_.prompts[p];
    auto const packed = pack_rows({prompt.ids}, at::kCPU);
    Pass const pass(*tiny_.model, packed.layout);
    auto residual = pass.embed(packed.ids);
    for (int layer = 0; layer < 3; ++layer) {
      auto const last = pass.attention(layer, residual)[0].select(1, -1);  // [heads, width]
      auto const own = shift[static_cast<std::int64_t>(p)][layer];
      EXPECT_LT(largest_difference(measure(own, alpha), last.select(1, prompt.subject_last)), 1e-5);
      auto const subject = last.narrow(1, prompt.subject_first, prompt.subject_last - prompt.subject_first + 1).sum(1);
      EXPECT_LT(largest_difference(measure(own, alpha_subject), subject), 1e-5);
      residual = pass.run(layer, layer, residual);
    }
  }
}

TEST_P(AttentionShift, PartsAddUpToWhatChanges) {
  auto const shift = shift_of(edited_);
  auto const frozen = frozen_readout(*tiny_.model, edited_.residual.back(), recorder_.objects());
  // The same readout of both models' values.
  auto const odds = [&](PassRecord const& record) {
    auto const sources = source_contributions(*tiny_.model, record, frozen).sum(3);  // [read, layers, heads, 2]
    return (sources.select(3, 1) - sources.select(3, 0)).unflatten(0, {3, 2}).select(1, 0);
  };
  auto total = at::zeros({3, 3, tiny_.model->config().heads});
  for (auto const part : {pattern, value, interaction, pattern_elsewhere, value_elsewhere, interaction_elsewhere})
    total = total + measure(shift, part);
  if (!tiny_.model->config().mlp_norm) {  // a norm behind attention is frozen at the edited model's output
    EXPECT_LT(largest_difference(total, odds(edited_) - odds(original_)), 1e-4);
  }
  EXPECT_GT(measure(shift, value).abs().max().item<double>(), 1e-3);
  // Below the edit, and in the edited layer's attention, nothing changes.
  EXPECT_LT(total.narrow(1, 0, 2).abs().max().item<double>(), 1e-6);
  EXPECT_LT(measure(shift_of(original_), pattern).abs().max().item<double>(), 1e-9);
}

TEST_P(AttentionShift, OfLayers) {
  auto const heads = shift_of(edited_), layers = over_heads(heads);
  EXPECT_LT(largest_difference(measure(layers, alpha), measure(heads, alpha).mean(2)), 1e-6);
  EXPECT_LT(largest_difference(measure(layers, alpha_max), measure(heads, alpha).amax(2)), 1e-6);
  EXPECT_LT(largest_difference(measure(layers, pull), measure(heads, pull).sum(2)), 1e-5);
  auto const before = measure(shift_of(original_), alpha).amax(2, true);
  EXPECT_LT(largest_difference(measure(layers, drifting), measure(heads, alpha).gt(before).to(at::kFloat).mean(2)), 1e-6);
}

TEST_P(AttentionShift, ThePullIsTheSubjectsSource) {
  auto const shift = shift_of(edited_);
  auto const readout = frozen_readout(*tiny_.model, edited_.residual.back(), recorder_.objects());
  auto const sources = source_contributions(*tiny_.model, edited_, readout);  // [read, layers, heads, width, 2]
  for (std::int64_t p = 0; p < 3; ++p) {
    auto const at = sources[2 * p].select(2, tiny_.prompts[static_cast<std::size_t>(p)].subject_last);
    EXPECT_LT(largest_difference(measure(shift[p], pull), at.select(2, 1) - at.select(2, 0)), 1e-4);
  }
}

}  // namespace
}  // namespace onemask::test
