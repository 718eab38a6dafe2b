#pragma once

#include <onemask/edit/edit.hpp>
#include <onemask/edit/weight_delta.hpp>

#include <map>
#include <string>
#include <vector>

#include <ATen/ATen.h>

namespace onemask {

/// Many facts written into one model.
struct BatchEdit {
  std::vector<EditOutcome> facts;   ///< of this batch; those with a `failure` are not written
  std::vector<WeightDelta> deltas;  ///< ascending by layer; with those of the batches before it, when batches follow each other
  std::map<int, at::Tensor> keys;   ///< AlphaEdit: whitened keys of this batch and those before it by layer, [directions, n]
};

/// A safetensors file.
std::string to_bytes(BatchEdit const& edit);
/// Throws UserError naming `source` when the bytes are not a batch edit.
BatchEdit batch_edit_from_bytes(std::string bytes, std::string const& source);

}  // namespace onemask
