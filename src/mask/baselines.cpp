#include <onemask/core/invariant.hpp>
#include <onemask/core/random.hpp>
#include <onemask/mask/baselines.hpp>

namespace onemask {
namespace {

at::Tensor with_zeros_at(at::IntArrayRef shape, at::Tensor const& places) {
  auto keep = at::ones(shape, at::kBool);
  keep.view({-1}).index_fill_(0, places, false);
  auto const zeros = keep.logical_not().sum().item<std::int64_t>();
  invariant(zeros == places.numel(), "a mask that shall have ", places.numel(), " zeros has ", zeros);
  return keep;
}

}  // namespace

at::Tensor random_mask(at::IntArrayRef shape, std::int64_t zeros, std::uint64_t seed) {
  auto const entries = static_cast<std::size_t>(c10::multiply_integers(shape));
  invariant(zeros >= 0 && static_cast<std::size_t>(zeros) <= entries, "a mask of ", entries, " entries shall have ", zeros,
            " zeros");
  auto const order = RandomStream({seed, stream::baseline}).permutation(entries);
  std::vector<std::int64_t> places(order.begin(), order.begin() + zeros);
  return with_zeros_at(shape, at::tensor(at::ArrayRef<std::int64_t>(places), at::kLong));
}

at::Tensor largest_mask(at::Tensor const& score, std::int64_t zeros) {
  invariant(zeros >= 0 && zeros <= score.numel(), "a mask of ", score.numel(), " entries shall have ", zeros, " zeros");
  auto const order = at::argsort(score.to(at::kCPU).contiguous().view({-1}), /*stable=*/true, 0, /*descending=*/true);
  return with_zeros_at(score.sizes(), order.narrow(0, 0, zeros));
}

at::Tensor mean_delta_magnitude(at::Tensor const& left, at::Tensor const& right) {
  invariant(left.size(1) == right.size(1), "the mean of edits is taken over factors of rank ", left.size(1), " and ",
            right.size(1));
  invariant(left.size(0) == right.size(0) && left.size(0) > 0, left.size(0), " left factors of edits come with ", right.size(0),
            " right ones");
  auto const edits = left.size(0);
  // |left rightᵀ| is |left| |right|ᵀ for vectors alone.
  if (left.size(1) == 1) return at::matmul(left.squeeze(1).abs().t(), right.squeeze(1).abs()) / static_cast<double>(edits);
  auto total = at::matmul(left[0].t(), right[0]).abs();
  for (std::int64_t i = 1; i < edits; ++i) total += at::matmul(left[i].t(), right[i]).abs();
  return total / static_cast<double>(edits);
}

}  // namespace onemask
