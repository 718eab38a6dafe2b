#pragma once

#include <onemask/model/causal_lm.hpp>
#include <onemask/model/layout.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <ATen/ATen.h>

namespace onemask {

/// How much a second moment still moved when the tokens behind it were doubled.
struct MomentChange {
  std::int64_t tokens = 0;  ///< of the later one
  double change = 0;        ///< Frobenius norm of the difference to the earlier one, over the norm of the later one
};

/// C = E[x xᵀ] of the input x of a layer's second projection over a text (ROME, arXiv 2202.05262, section 3.1; MEMIT, arXiv
/// 2210.07229, equation 14).
struct SecondMoment {
  int layer = 0;
  std::int64_t tokens = 0;
  at::Tensor matrix;  ///< [in, in], float32 on the CPU, symmetric
  std::string model;  ///< fingerprint
  std::vector<MomentChange> convergence;
  std::string made_by = {};  ///< of a file outside of the store: kind of machine and software; empty: it does not say
};

/// A safetensors file: the matrix, and the other fields as metadata.
std::string to_bytes(SecondMoment const& moment);
/// Throws UserError naming `source` when the bytes are not a second moment.
SecondMoment second_moment_from_bytes(std::string bytes, std::string const& source);

/// E[|x|²].
double trace(SecondMoment const& moment);
/// A lower bound of the condition number that costs nothing: largest over smallest diagonal element, infinite where that is 0.
double least_condition(SecondMoment const& moment);

/// Reads the .npz file that ROME's and MEMIT's layer_stats keeps (arrays mom2.mom2, the sum of x xᵀ, and mom2.count), or a second
/// moment that onemask exported, for a layer of this model. Nothing of the file is executed. Throws UserError when it is damaged
/// or holds something else, ShapeError with both sizes when it is of another model or layer.
SecondMoment import_second_moment(std::filesystem::path const& file, CausalLM const& model, int layer);

/// Throws UserError, beginning with `where`, when so few tokens cannot give an invertible matrix: its rank is at most their
/// number.
void require_enough_tokens(SecondMoment const& moment, std::string const& where);

/// Runs rows of tokens once and calls `take(layer, keys)` with the input [tokens, in] of the second projections of `layers`
/// (ascending, without doubles); stops at the last of them, before its projection.
void visit_keys(CausalLM const& model, TokenRows const& rows, std::span<int const> layers,
                std::function<void(int, at::Tensor const&)> const& take);

/// A sum of x xᵀ in integers, so that the order of its parts does not matter: products in float32, rounded to multiples of
/// 2^exponent. Rounding moves an entry by at most 2^-23 of the scale per product, however many tokens that is of.
class MomentSum {
 public:
  /// The exponent that suits keys [tokens, in] like these: 22 bits below the largest mean square, 22 below 1 where all are zero.
  static int suitable_exponent(at::Tensor const& keys);

  MomentSum(std::int64_t inner, int exponent, at::Device device);

  int exponent() const { return exponent_; }
  /// Adds the keys [tokens, in] of some tokens. Throws RunError when one is not finite or the sum would leave its range, for
  /// which it waits for a GPU once.
  void add(at::Tensor const& keys);
  void clear();

  /// [in, in] int64; meaningful on and above the diagonal.
  at::Tensor const& integers() const { return integers_; }
  /// A bound of every entry's magnitude, in units of 2^20 steps; bounds of parts add up.
  std::int64_t bound() const { return bound_; }
  /// After `integers` were replaced by the sum over several: their bounds' sum. Throws RunError when that leaves the range.
  void set_bound(std::int64_t bound);

  /// The mean over `tokens`: [in, in] float32 on the CPU.
  at::Tensor mean(std::int64_t tokens) const;

 private:
  int exponent_;
  std::int64_t bound_ = 0;
  at::Tensor integers_;
};

}  // namespace onemask
