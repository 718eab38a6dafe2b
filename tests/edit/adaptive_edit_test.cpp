#include "edit/tiny_request.hpp"
#include <onemask/edit/adaptive_edit.hpp>

#include <cmath>

#include <gtest/gtest.h>

namespace onemask::test {
namespace {

/// ROME met a value at the key (1, 2, 0): u = (1, 1, 1), and ρ = (6, 3).
RomeResult two_rows() {
  RomeResult result;
  result.edit.left = at::tensor({2.F, 1.F}).unsqueeze(0);  // ρ / (k·u), where k·u = 3
  result.edit.right = at::ones({1, 3});
  result.trace.read_key = at::tensor({1.F, 2.F, 0.F});
  return result;
}

at::Tensor mask_of(std::vector<std::int64_t> const& entries) {
  return at::tensor(entries).view({2, 3}).to(at::kBool);
}

TEST(AdaptiveEdit, MeetsTheValueThroughKeptEntries) {
  // Row 0 reads k_1 u_1 = 2, row 1 reads nothing that the key has, and stays.
  auto const edits = adaptive_edits({two_rows()}, mask_of({0, 1, 1, 0, 0, 1}));
  ASSERT_EQ(edits.size(), 1U);
  EXPECT_TRUE(at::allclose(edits[0].left, at::tensor({3.F, 0.F}).unsqueeze(0)));
  EXPECT_TRUE(at::equal(edits[0].right, at::ones({1, 3})));
}

TEST(AdaptiveEdit, UnderAMaskWithoutZerosIsTheUsualOne) {
  auto const result = two_rows();
  EXPECT_TRUE(at::allclose(adaptive_edits({result}, mask_of({1, 1, 1, 1, 1, 1}))[0].left, result.edit.left));
}

TEST(AdaptiveEdit, NormsAreThoseOfTheMatrices) {
  auto const edit = two_rows().edit;
  Edit failed;
  failed.failure = "the loss is not finite";
  auto const keep = mask_of({0, 1, 1, 1, 1, 1});
  EXPECT_NEAR(update_norms({edit})[0], std::sqrt(3.0 * 4 + 3), 1e-6);
  EXPECT_NEAR(update_norms({edit}, keep)[0], std::sqrt(2.0 * 4 + 3), 1e-6);
  EXPECT_TRUE(std::isnan(update_norms({failed}, keep)[0]));
}

TEST(AdaptiveEdit, AFailedEditStaysFailed) {
  RomeResult result;
  result.edit.failure = "the loss is not finite";
  auto const edits = adaptive_edits({result}, mask_of({1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(edits[0].failure, result.edit.failure);
  EXPECT_FALSE(edits[0].left.defined());
}

/// Where both editors work in a model under a mask, only the one that knows it meets its value there.
TEST(AdaptiveEdit, OnlyTheEditorThatKnowsTheMaskMeetsItsValue) {
  auto const model = tiny_gpt2().load();
  EditHparams hparams;
  hparams.layers = {1};
  hparams.v_loss_layer = 2;
  hparams.v_num_grad_steps = 5;
  hparams.v_lr = 0.3;
  hparams.clamp_norm_factor = 10;
  auto const weight = model->projection(1).weight;
  auto const keep = at::remainder(at::arange(weight.numel()), 3).gt(0).view(weight.sizes());  // a third is zero
  auto const masked = model->with_projections({{1, weight * keep}});
  for (auto const method : {EditMethod::rome, EditMethod::r_rome}) {
    hparams.method = method;
    std::vector<EditRequest> const requests{make_request(1, {0, 3}, 2, 2), make_request(2, {0, 4}, 1, 1)};
    auto const results = rome(*masked, requests, hparams);
    auto const adaptive = adaptive_edits(results, keep);
    for (std::size_t r = 0; r < results.size(); ++r) {
      auto const& [usual, trace] = results[r];
      auto const value = trace.target_init + trace.delta;
      auto const missed = [&](Edit const& edit) {
        auto const changed = (weight + at::matmul(edit.left.t(), edit.right)) * keep;
        auto const bias = model->projection(1).bias;
        return (at::mv(changed, trace.read_key) + bias - value).norm().item<double>() / trace.delta.norm().item<double>();
      };
      EXPECT_LT(missed(adaptive[r]), 1e-4) << r;
      EXPECT_GT(missed(usual), 0.05) << r;
    }
  }
}

}  // namespace
}  // namespace onemask::test
