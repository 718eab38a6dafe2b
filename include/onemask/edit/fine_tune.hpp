#pragma once

#include <onemask/edit/batch_edit.hpp>
#include <onemask/edit/request.hpp>
#include <onemask/settings/edit_hparams.hpp>

#include <span>

namespace onemask {

/// Constrained fine-tuning of one second projection (FT+L; Zhu et al. 2020, arXiv 2012.00363, as in ROME's comparison): Adam on
/// the mean -log P(new object | plain prompt) of the facts, every entry kept within norm_constraint of its old value after each
/// step; ends when the loss is under 0.01. `objective_optimization` says where an object's tokens are read. With a batch_size
/// there is a step after each so many facts, as in EasyEdit's loop; otherwise one for all, and none after the last pass. Facts
/// are run in parts of fixed size. The result includes `previous`, as in solve_batch. A step waits for a GPU once for each part,
/// and once more.
BatchEdit fine_tune(CausalLM const& model, std::span<EditRequest const> requests, EditHparams const& hparams,
                    BatchEdit const* previous = nullptr);

}  // namespace onemask
