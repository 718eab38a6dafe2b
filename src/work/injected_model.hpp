#pragma once

#include "work/stored_results.hpp"
#include <onemask/work/work_context.hpp>

#include <cstddef>
#include <memory>
#include <vector>

#include <ATen/ATen.h>

namespace onemask {

/// The model that the facts of an injection task are edited in one by one: W ∘ M in the place of the edited matrix W, in a
/// sequence (W + ΔW_1 + ΔW_2 + …) ∘ M with all edits so far. The sum is in float32.
class InjectedModel {
 public:
  /// With the edits of the tasks before this one in its sequence. `keep` [out, in] is M, true = kept; undefined: no mask.
  InjectedModel(WorkContext const& run, StoredResults const& results, std::size_t task, at::Tensor const& keep);

  CausalLM const& model() const { return *model_; }
  /// One more edit of the sequence; a failed one changes nothing.
  void add(Edit const& edit);

 private:
  void carry(Edit const& edit);
  void make_model();

  CausalLM const& original_;
  int layer_;
  at::Tensor weight_, keep_;  ///< on the model's device
  std::unique_ptr<CausalLM> model_;
};

}  // namespace onemask
