#include <onemask/core/invariant.hpp>
#include <onemask/core/random.hpp>

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

namespace onemask {
namespace {

constexpr std::uint64_t golden_ratio = 0x9e3779b97f4a7c15;

/// The output function of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014).
constexpr std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

RandomStream::RandomStream(std::initializer_list<std::uint64_t> key) : state_(key.size()) {
  for (std::uint64_t const part : key) state_ = mix(state_ + golden_ratio + part);
}

std::uint64_t RandomStream::bits() {
  return mix(state_ += golden_ratio);
}

double RandomStream::uniform() {
  return static_cast<double>(bits() >> 11) * 0x1p-53;
}

double RandomStream::normal() {
  double const radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));  // 1 - uniform() lies in (0, 1]: the logarithm is finite
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

std::uint64_t RandomStream::below(std::uint64_t bound) {
  invariant(bound > 0, "a random number below 0 is asked for");
  // 2^64 mod bound values, less than the bound, are one draw too many for some results: they are drawn again.
  std::uint64_t drawn = bits();
  while (drawn < bound && drawn < (0 - bound) % bound) drawn = bits();
  return drawn % bound;
}

std::vector<std::size_t> RandomStream::permutation(std::size_t n) {
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t left = n; left > 1; --left) std::swap(order[left - 1], order[below(left)]);
  return order;
}

}  // namespace onemask
