#include "support/golden_mask.hpp"
#include <onemask/mask/change_sums.hpp>
#include <onemask/mask/shared_mask.hpp>
#include <onemask/report/overlap.hpp>
#include <onemask/statistics/rank_correlation.hpp>

#include <gtest/gtest.h>

namespace onemask::test {
namespace {

/// A mask [out, in].
ByteMatrix bytes_of(at::Tensor const& keep) {
  auto const ours = keep.to(at::kByte).contiguous();
  auto const* bytes = ours.data_ptr<std::uint8_t>();
  return {static_cast<std::size_t>(ours.size(0)), static_cast<std::size_t>(ours.size(1)), {bytes, bytes + ours.numel()}, {}};
}

/// The k smallest entries of a soft mask [in, out] set to zero, as [out, in].
ByteMatrix smallest_set_to_zero(at::Tensor const& soft, std::int64_t k) {
  auto const flat = soft.reshape({-1});
  auto keep = at::ones({flat.numel()}, at::kByte);
  keep.index_fill_(0, std::get<1>(flat.topk(k, 0, false)), 0);
  return bytes_of(keep.view(soft.sizes()).t());
}

class OverlapGolden : public GoldenTest {};

/// Two trainings on the same facts from the same θ, at 1e-3 over 80 epochs and at 0.05 over 30, with as many zeros.
TEST_P(OverlapGolden, OfTwoTrainingsFromOneStart) {
  if (GetParam().name != "cf_gpt2") GTEST_SKIP() << "these golden trainings are those of cf-gpt2";
  auto const slow = tensors("mask_train.safetensors"), fast = tensors("mask_train_lr05.safetensors");
  auto const soft = fast.tensor("soft_mask_final");
  auto const k = soft.lt(0.7).sum().item<std::int64_t>();
  auto const a = smallest_set_to_zero(slow.tensor("soft_mask_final"), k), b = smallest_set_to_zero(soft, k);
  auto const trained = overlap_of(a, b);
  EXPECT_NEAR(trained.zeros_a, 0.104, 5e-4);
  EXPECT_NEAR(trained.iou, 0.428, 5e-4);
  EXPECT_NEAR(trained.chance, 0.055, 5e-4);
  EXPECT_NEAR(trained.rows, 0.89, 5e-3);
  EXPECT_NEAR(trained.columns, 0.92, 5e-3);
  auto const ranks = [](at::Tensor const& values) {
    auto const all = values.contiguous();
    return doubled_ranks({all.data_ptr<float>(), static_cast<std::size_t>(all.numel())});
  };
  EXPECT_NEAR(rank_correlation(ranks(slow.tensor("soft_mask_final")), ranks(soft)), 0.90755, 5e-5);
  auto const start = overlap_of(smallest_set_to_zero(slow.tensor("theta_init"), k), a);
  EXPECT_NEAR(start.iou, 0.114, 5e-4);
  EXPECT_NEAR(start.lift, 1.96, 5e-3);
  // The entries that the training edits change most are more those of the fast training.
  auto const most_changed = bytes_of(largest_mask(golden_delta_magnitude(*this), k));
  EXPECT_NEAR(overlap_of(most_changed, b).iou, 0.33, 5e-3);
  EXPECT_NEAR(overlap_of(most_changed, a).iou, 0.25, 5e-3);
}

/// The mask of 19.7 % zeros: its structure is in the columns.
TEST_P(OverlapGolden, SpreadOverRowsAndColumns) {
  if (GetParam().name != "cf_gpt2") GTEST_SKIP() << "this golden mask is that of cf-gpt2";
  auto const keep = tensors("eval_mask.safetensors").tensor("mask").to(at::kFloat);
  auto const mask = smallest_set_to_zero(keep, keep.eq(0).sum().item<std::int64_t>());
  auto const rows = spread_over_rows(mask), columns = spread_over_columns(mask);
  EXPECT_NEAR(rows.largest, 0.373, 5e-4);
  EXPECT_NEAR(rows.deviation, 0.049, 5e-4);
  EXPECT_NEAR(rows.by_chance, 0.011, 5e-4);
  EXPECT_NEAR(columns.largest, 0.859, 5e-4);
  EXPECT_NEAR(columns.deviation, 0.192, 5e-4);
  EXPECT_NEAR(columns.by_chance, 0.022, 5e-4);
}

/// The mask of 19.7 % zeros takes away more of the held-out edits than chance would.
TEST_P(OverlapGolden, ChangesUnderTheMask) {
  if (GetParam().name != "cf_gpt2") GTEST_SKIP() << "this golden mask is that of cf-gpt2";
  auto const keep = tensors("eval_mask.safetensors").tensor("mask").to(at::kBool).t();
  auto const factors = tensors("mask_edits_heldout.safetensors");
  auto const sums = change_sums(keep, factors.tensor("v"), factors.tensor("u"));
  EXPECT_NEAR(sums.squares.sqrt().mean().item<double>(), 12.72, 5e-3);
  EXPECT_NEAR(sums.squares_at_zeros.sqrt().mean().item<double>(), 8.09, 5e-3);
  EXPECT_NEAR((sums.squares_at_zeros / sums.squares).mean().item<double>(), 0.41, 5e-3);
  EXPECT_NEAR(zeros_share(keep), 0.197, 5e-4);  // as much energy would lie there by chance
  auto const zeros = static_cast<double>(keep.numel()) * zeros_share(keep);
  EXPECT_NEAR((sums.sizes_at_zeros / zeros).mean().item<double>(), 0.009955, 5e-6);
  EXPECT_NEAR(((sums.sizes - sums.sizes_at_zeros) / (static_cast<double>(keep.numel()) - zeros)).mean().item<double>(), 0.005557,
              5e-6);
}

INSTANTIATE_TEST_SUITE_P(Of, OverlapGolden, testing::ValuesIn(golden_sources()), testing::PrintToStringParamName());

}  // namespace
}  // namespace onemask::test
