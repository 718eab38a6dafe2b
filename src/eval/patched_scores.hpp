#pragma once

#include <onemask/eval/metrics.hpp>
#include <onemask/model/two_way.hpp>

#include <cstddef>
#include <functional>
#include <vector>

namespace onemask {

/// Scores a batch whose edits are left [edits, rank, out] and right [edits, rank, in] under those of the conditions that have a
/// patch. `take` gets the place of each among `conditions` with its scores. Models that facts share must be the same for all.
void score_patched(CausalLM const& model, TwoWayBatch const& prompts, at::Tensor const& left, at::Tensor const& right,
                   std::vector<Condition> const& conditions,
                   std::function<void(std::size_t, TwoWayBatch::Scores const&)> const& take);

}  // namespace onemask
