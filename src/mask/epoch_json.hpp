#pragma once

#include <onemask/mask/shared_mask.hpp>

#include <nlohmann/json.hpp>

namespace onemask {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(MaskEpoch, restoration, sparsity, distillation, gradient_norm, validation_rsr, validation_n,
                                   zeros)

}  // namespace onemask
