#pragma once

#include "work/stored_results.hpp"
#include <onemask/work/work_context.hpp>

#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include <ATen/ATen.h>

namespace onemask {

/// The masks that conditions are scored under, and facts edited: trained ones, and baselines that all facts share.
class PlannedMasks {
 public:
  /// Both must outlive it.
  PlannedMasks(WorkContext const& run, StoredResults& results) : run_(run), results_(results) {}

  /// Bool [layers * out, in], true = kept; undefined where the condition has none, or one for each fact.
  at::Tensor mask(PlannedCondition const& planned);
  /// The one that facts are edited under; undefined where it is none. The last one is kept.
  at::Tensor mask(InjectedMask const& under);
  /// The layers that it is put on; none where it is none.
  std::vector<int> layers(InjectedMask const& under) const;

  /// How many entries of a mask are zero that a baseline takes its number from; 0 where it takes none.
  std::int64_t zeros_of_mask(PlannedCondition const& planned);

 private:
  /// A trained mask, binary. That of the last one asked for is kept, as its baselines ask for it too.
  at::Tensor const& kept(std::ptrdiff_t mask);
  at::Tensor shared_mask_of(Baseline const& baseline, MaskTask const& task, std::int64_t zeros_of_mask);
  at::Tensor weights(std::vector<int> const& layers) const;
  at::Tensor delta_magnitude(MaskTask const& task);

  WorkContext const& run_;
  StoredResults& results_;
  at::Tensor kept_;  ///< the mask `kept_of_`
  std::ptrdiff_t kept_of_ = -1;
  at::Tensor last_;  ///< the one that facts were edited under last
  InjectedMask last_under_;
  /// By set, layers and facts.
  std::map<std::tuple<std::size_t, std::vector<int>, std::vector<std::size_t>>, at::Tensor> delta_magnitudes_;
};

}  // namespace onemask
