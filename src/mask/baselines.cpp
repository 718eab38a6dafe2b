#include "mask/least_of_largest.hpp"
#include <onemask/core/invariant.hpp>
#include <onemask/core/random.hpp>
#include <onemask/mask/baselines.hpp>

#include <algorithm>
#include <bit>
#include <limits>
#include <stdexcept>
#include <vector>

namespace onemask {
namespace {

at::Tensor with_zeros_at(at::IntArrayRef shape, at::Tensor const& places) {
  auto keep = at::ones(shape, at::kBool);
  keep.view({-1}).index_fill_(0, places, false);
  auto const zeros = keep.logical_not().sum().item<std::int64_t>();
  invariant(zeros == places.numel(), "a mask that shall have ", places.numel(), " zeros has ", zeros);
  return keep;
}

at::Tensor drawn_mask(at::IntArrayRef shape, std::int64_t zeros, RandomStream stream) {
  auto const entries = static_cast<std::size_t>(c10::multiply_integers(shape));
  invariant(zeros >= 0 && static_cast<std::size_t>(zeros) <= entries, "a mask of ", entries, " entries shall have ", zeros,
            " zeros");
  auto const order = stream.permutation(entries);
  std::vector<std::int64_t> places(order.begin(), order.begin() + zeros);
  return with_zeros_at(shape, at::tensor(at::ArrayRef<std::int64_t>(places), at::kLong));
}

/// Values of a sorted list that `falls` says come first.
template <typename Falls>
std::int64_t first_ones(std::vector<double> const& values, Falls const& falls) {
  return std::partition_point(values.begin(), values.end(), falls) - values.begin();
}

/// The `count` largest scores of each row, as bool [rows, n]; ties go to the lower index, and what is no number is infinite.
at::Tensor largest_of_rows(at::Tensor const& scores, std::int64_t count) {
  invariant(count >= 0 && count <= scores.size(1), "of ", scores.size(1), " scores the largest ", count, " are sought");
  if (count == 0) return at::zeros(scores.sizes(), scores.options().dtype(at::kBool));
  constexpr auto infinite = std::numeric_limits<double>::infinity();
  auto const values = at::nan_to_num(scores, infinite, infinite, -infinite);
  auto const least = least_of_largest(values, count);
  auto largest = values >= least;
  if (largest.sum(1).eq(count).all().item<bool>()) return largest;
  auto const ties = values.eq(least);
  auto const above = values > least;
  return above.logical_or_(ties.logical_and(ties.cumsum(1, at::kInt) <= count - above.sum(1, true)));
}

std::vector<double> magnitudes(at::Tensor const& values) {
  auto const all = values.to(at::kCPU, at::kDouble).abs().contiguous();
  return {all.data_ptr<double>(), all.data_ptr<double>() + all.numel()};
}

}  // namespace

at::Tensor random_mask(at::IntArrayRef shape, std::int64_t zeros, std::uint64_t seed) {
  return drawn_mask(shape, zeros, RandomStream({seed, stream::baseline}));
}

at::Tensor random_mask(at::IntArrayRef shape, std::int64_t zeros, std::uint64_t seed, std::int64_t item) {
  return drawn_mask(shape, zeros, RandomStream({seed, stream::baseline, static_cast<std::uint64_t>(item)}));
}

at::Tensor largest_mask(at::Tensor const& score, std::int64_t zeros) {
  return largest_of_rows(score.reshape({1, -1}), zeros).logical_not_().view(score.sizes());
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

at::Tensor pruning_mask(BaselineScore score, at::Tensor const& original, at::Tensor const& edited, std::int64_t zeros) {
  auto const rows = edited.size(0), columns = edited.size(1);
  auto const lines = [&](std::int64_t along) {
    auto const norms = edited.to(at::kDouble).square().sum(along);
    return largest_mask(norms, zeros / edited.size(along)).unsqueeze(along).expand({rows, columns});
  };
  switch (score) {
    case BaselineScore::magnitude:
      return largest_mask(edited.abs(), zeros);
    case BaselineScore::delta_magnitude:
      return largest_mask((edited - original).abs(), zeros);
    case BaselineScore::magnitude_rows:
      return lines(1);
    case BaselineScore::magnitude_columns:
      return lines(0);
    case BaselineScore::magnitude_per_row:
      return largest_of_rows(edited.abs(), zeros / rows).logical_not_();
    default:
      throw std::logic_error("a mask by a score that is not of matrices");
  }
}

at::Tensor filled(Fill fill, at::Tensor const& keep, at::Tensor const& original, at::Tensor const& edited) {
  return at::where(keep, edited, fill == Fill::zero ? at::zeros({}, edited.options()) : original);
}

at::Tensor squared_row_norms(at::Tensor const& weight, at::Tensor const& left, at::Tensor const& right) {
  auto const w = weight.to(at::kDouble), l = left.to(at::kDouble), r = right.to(at::kDouble);
  auto const cross = at::matmul(r, w.t());                                // [edits, rank, out]
  auto const products = at::matmul(at::matmul(r, r.transpose(1, 2)), l);  // of the factors with each other, [edits, rank, out]
  return w.square().sum(1).unsqueeze(0) + (l * (2 * cross + products)).sum(1);
}

LargestProducts largest_products(at::Tensor const& left, at::Tensor const& right, std::int64_t count) {
  auto const rows = magnitudes(left);
  auto const order = at::argsort(right.abs(), /*stable=*/true, 0, /*descending=*/true);
  auto const columns = magnitudes(right.index_select(0, order));
  auto const entries = std::ssize(rows) * std::ssize(columns);
  invariant(count >= 0 && count <= entries, "of ", entries, " products the largest ", count, " are sought");
  // Doubles hold products of floats exactly, and positive doubles are ordered as their bits are.
  auto const at_least = [&](double value) {
    std::int64_t sum = 0;
    for (auto const row : rows) sum += first_ones(columns, [&](double column) { return row * column >= value; });
    return sum;
  };
  std::uint64_t low = 0, high = std::bit_cast<std::uint64_t>(*std::max_element(rows.begin(), rows.end()) * columns.front()) + 1;
  while (high - low > 1) {  // at_least(low) >= count, at_least(high) < count, or there are none at all
    auto const middle = low + (high - low) / 2;
    (at_least(std::bit_cast<double>(middle)) >= count ? low : high) = middle;
  }
  auto const least = std::bit_cast<double>(low);
  std::vector<std::int64_t> counts;
  std::int64_t missing = count;
  for (auto const row : rows) {
    counts.push_back(first_ones(columns, [&](double column) { return row * column > least; }));
    missing -= counts.back();
  }
  for (std::size_t r = 0; r < rows.size(); ++r) {
    auto const ties = first_ones(columns, [&](double column) { return rows[r] * column >= least; }) - counts[r];
    auto const taken = std::min(ties, missing);
    counts[r] += taken;
    missing -= taken;
  }
  invariant(missing == 0, "of the largest ", count, " products ", missing, " are missing");
  return {order, at::tensor(at::ArrayRef<std::int64_t>(counts), at::kLong)};
}

}  // namespace onemask
