#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/ATen.h>

namespace onemask {

/// How the search for a fact's new value went.
struct EditOutcome {
  std::int64_t case_id = 0;
  int steps = 0;          ///< forward passes of the optimisation
  double loss = 0;        ///< at its end
  double p_new = 0;       ///< probability of the new object at its end, mean over contexts (geometric over its tokens)
  double delta_norm = 0;  ///< |delta|
  double value_norm = 0;  ///< |v0|, what delta was added to
  std::string failure;    ///< why the fact is not edited; empty when it is
};

/// One fact written into one matrix as a change of low rank:  W' = W + Σ_k left_k right_kᵀ.  ROME gives rank 1. A failed edit has
/// neither factor.
///
/// Example: gpt2-xl, layer 17: left [1, 1600] (value side), right [1, 6400] (key side); 32 kB instead of a 20 MB matrix.
struct Edit : EditOutcome {
  int layer = 0;
  at::Tensor left;   ///< [rank, out], float32 on the CPU
  at::Tensor right;  ///< [rank, in], float32 on the CPU
};

/// One factor of each of some edits, [edits, rank, size]; those of a lower rank than the highest have zeros behind their own
/// rows.
at::Tensor stacked_factors(std::vector<at::Tensor> const& factors);

/// A safetensors file: left, right, and the other fields as metadata.
std::string to_bytes(Edit const& edit);
/// Throws UserError naming `source` when the bytes are not an edit.
Edit edit_from_bytes(std::string bytes, std::string const& source);

}  // namespace onemask
