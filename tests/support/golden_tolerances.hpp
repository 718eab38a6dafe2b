#pragma once

#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace onemask::test {

/// How far numbers of one kind may lie from the golden ones, which are float32, in each type that a model may compute in.
///
/// float32: several times what other orders of the same sums change (the CPU against PyTorch on it), and less than what TF32
/// changes, as the tests called NoticesTf32 show; except shares and perplexities, on which TF32 has little effect.
/// bfloat16, float16: three times what was measured, or a few decisions more, because rounding in another order gives other
/// errors of this size. They come from weights and activations of 8 and 11 bits, so those of bfloat16 are about 8 times as large.
/// docs/results.md shows what was measured.
struct Tolerance {
  char const* kind;
  double float32, bfloat16, float16;

  double permitted() const;  ///< in test_dtype()
};

namespace tolerance {

// Relative errors of tensors, as norms.
inline constexpr Tolerance hidden{"final hidden states", 2e-5, 0.1, 0.015};
/// A row alone and in a pack: no rounding of weights, but sums in another order.
inline constexpr Tolerance packing{"hidden states alone and in a pack", 1e-5, 0.1, 0.015};
/// What one layer gives: keys, values.
inline constexpr Tolerance layer{"keys and values", 2e-5, 0.02, 0.0025};
/// Sums over thousands of tokens, in float32 whatever the model's type: the keys' own rounding is averaged.
inline constexpr Tolerance moment{"second moments", 5e-6, 0.015, 3e-4};
/// Keys times an inverse second moment, which makes errors larger; updates that are made of them.
inline constexpr Tolerance solve{"adjusted keys and their updates", 2e-4, 0.05, 0.005};
/// After tens of steps of a search, each of which builds on the last.
inline constexpr Tolerance update{"values and updates after a search", 1e-4, 0.1, 0.05};
inline constexpr Tolerance gradient{"gradients and parameters of a mask", 1e-4, 0.05, 0.005};

// Differences; of large numbers, and of losses and perplexities, relative ones.
inline constexpr Tolerance logit{"logits and log-probabilities", 2e-4, 0.75, 0.1};
inline constexpr Tolerance divergence{"divergences", 2e-4, 0.35, 0.04};
inline constexpr Tolerance probability{"probabilities after an edit", 1e-4, 0.02, 0.005};
inline constexpr Tolerance search_loss{"losses of a search", 3e-4, 0.2, 0.06};
inline constexpr Tolerance mask_loss{"losses of a mask", 2e-4, 0.1, 0.01};
inline constexpr Tolerance perplexity{"perplexities", 2e-4, 0.004, 3e-4};

// Shares of decisions that come out otherwise, where two numbers are nearly equal.
inline constexpr Tolerance decision{"comparisons of two objects", 1e-12, 0.05, 0.05};
inline constexpr Tolerance rank{"ranks", 0, 0.25, 0.1};
inline constexpr Tolerance overlap{"overlaps of the likeliest 5 and 10", 1e-9, 0.4, 0.2};
/// Two tokens at the edge of the first hundred may change places.
inline constexpr Tolerance overlap_of_100{"overlaps of the likeliest 100", 0.0101, 0.0301, 0.0301};
/// Of prompts after which a batch edit succeeds, from our own values: of 20 facts, or 100 of `shared`.
inline constexpr Tolerance success{"success of a batch", 0.03, 0.15, 0.05};
inline constexpr Tolerance mask_bits{"bits of a mask", 0.001, 0.01, 0.002};

}  // namespace tolerance

/// Whether a deviation is permitted in test_dtype(). The largest of each kind are kept for `tell_deviations`.
testing::AssertionResult within(Tolerance const& tolerance, double deviation);

/// Prints the largest deviation of each kind since the last call.
void tell_deviations(std::string const& source);

/// Plants a defect: while `compare` runs, products of float32 matrices take inputs rounded to TF32, and `within` permits all.
/// Expects that it would have found numbers of these kinds too far away. Skips where the device has no TF32 or the type is
/// another.
void expect_tf32_is_noticed(std::vector<Tolerance> const& kinds, std::function<void()> const& compare);

}  // namespace onemask::test
