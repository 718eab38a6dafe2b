#include "mask/least_of_largest.hpp"

#include <algorithm>
#include <bit>
#include <functional>
#include <iterator>
#include <vector>

namespace onemask {
namespace {

constexpr std::size_t buckets = 1 << 16;

/// The leading half of a number that orders as the floats do.
std::size_t bucket_of(float value) {
  auto const bits = std::bit_cast<std::uint32_t>(value + 0.0F);  // -0 and 0 are equal
  return (bits >> 31 != 0 ? ~bits : bits | 0x80000000U) >> 16;
}

float least_of(std::vector<float>& values, std::int64_t count) {
  auto const place = values.begin() + (count - 1);
  std::nth_element(values.begin(), place, values.end(), std::greater<>());
  return *place;
}

/// Only the values that share the leading bits of the one that is sought are compared with each other.
float least_of_many(float const* first, float const* last, std::int64_t count) {
  std::vector<std::int64_t> counts(buckets, 0);
  for (auto const* value = first; value != last; ++value) ++counts[bucket_of(*value)];
  auto bucket = buckets - 1;
  for (; counts[bucket] < count; --bucket) count -= counts[bucket];
  std::vector<float> alike;
  alike.reserve(static_cast<std::size_t>(counts[bucket]));
  std::copy_if(first, last, std::back_inserter(alike), [bucket](float value) { return bucket_of(value) == bucket; });
  return least_of(alike, count);
}

}  // namespace

at::Tensor least_of_largest(at::Tensor const& values, std::int64_t count) {
  if (!values.is_cpu() || values.scalar_type() != at::kFloat)
    return std::get<0>(values.topk(count, 1, /*largest=*/true, /*sorted=*/false)).amin(1, true);
  auto const rows = values.contiguous();
  auto const length = rows.size(1);
  auto least = at::empty({rows.size(0), 1}, rows.options());
  std::vector<float> copy;
  for (std::int64_t row = 0; row < rows.size(0); ++row) {
    auto const* const first = rows.const_data_ptr<float>() + row * length;
    if (length >= static_cast<std::int64_t>(buckets)) {
      least.data_ptr<float>()[row] = least_of_many(first, first + length, count);
    } else {
      copy.assign(first, first + length);
      least.data_ptr<float>()[row] = least_of(copy, count);
    }
  }
  return least;
}

}  // namespace onemask
