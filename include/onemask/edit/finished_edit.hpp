#pragma once

#include <onemask/checkpoint/checkpoint.hpp>
#include <onemask/edit/weight_delta.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace onemask {

/// What a finished edit changes, whatever tool made it.
struct FinishedEdit {
  std::vector<WeightDelta> changes;  ///< ascending by layer, each layer once; factors from an adapter, else matrices
  std::string base_model = {};       ///< that an adapter names; empty: none

  /// Hash of the changes: the same for the same changes in another form.
  std::string content() const;
};

/// Reads a finished edit of the model, whose checkpoint `original` is:
///   a folder with adapter_config.json   a LoRA adapter of PEFT
///   a folder with config.json           an edited checkpoint: what differs from the original
///   a file NAME.safetensors             changed matrices by the names that they have in the checkpoint, as they are stored
///   there:
///                                       NAME is W', NAME.original the W that belongs to it (without it the model's), NAME.delta
///                                       ΔW
///
/// Throws UserError naming `path` and the tensor for anything else: changes outside of the second projections, adapters that do
/// more than to add a product of two matrices, entries that are not finite, an edit that changes nothing; ShapeError for one of
/// another model.
FinishedEdit read_finished_edit(std::filesystem::path const& path, Checkpoint const& original, CausalLM const& model);

}  // namespace onemask
