#include "work/masked_model.hpp"

#include <onemask/edit/weight_delta.hpp>
#include <onemask/mask/shared_mask.hpp>

namespace onemask {

std::unique_ptr<CausalLM> masked_model(CausalLM const& model, BatchEdit const* edit, std::vector<int> const& layers,
                                       at::Tensor const& keep) {
  auto weights = edit != nullptr ? edited_weights(model, edit->deltas) : std::map<int, at::Tensor>();
  if (keep.defined()) weights = masked_projections(model, std::move(weights), layers, keep);
  return model.with_projections(std::move(weights));
}

}  // namespace onemask
