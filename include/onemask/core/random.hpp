#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace onemask {

/// A stream of random numbers that belongs to an item of the study, never to a rank: equal keys give equal numbers on every
/// machine. SplitMix64 over a mixed key.
///
/// Example: RandomStream({seed, stream::permutation, epoch}).permutation(99)
class RandomStream {
 public:
  explicit RandomStream(std::initializer_list<std::uint64_t> key);

  std::uint64_t bits();
  /// Uniform in [0, 1).
  double uniform();
  /// Standard normal (Box-Muller).
  double normal();
  /// Uniform in [0, bound), without bias. bound > 0.
  std::uint64_t below(std::uint64_t bound);
  /// A random order of 0 … n-1 (Fisher-Yates).
  std::vector<std::size_t> permutation(std::size_t n);

 private:
  std::uint64_t state_;
};

/// What a stream is for, so that equal seeds do not meet.
namespace stream {
inline constexpr std::uint64_t split = 1, templates = 2, mask_init = 3, batch_order = 4, baseline = 5, bootstrap = 6,
                               weight_init = 7, pretraining = 8, probes = 9, text_facts = 10, tracing_noise = 11,
                               analysed_facts = 12, analysed_dimensions = 13;
}

}  // namespace onemask
