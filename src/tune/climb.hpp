#pragma once

#include "tune/ladder.hpp"
#include "tune/space.hpp"
#include <onemask/report/edit_quality.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace onemask {

/// What was found of settings on a rung.
struct TuneTrial {
  TuneCandidate candidate;
  std::size_t rung = 0;   ///< of the ladder, from 0
  std::size_t facts = 0;  ///< first probe facts
  EditQuality quality;
  double drift = 0;
  bool fits = false;  ///< all facts were edited and the drift is within its limit
};

/// The order of candidates on equal facts: those that fit by their score, the others by their drift. Of equals the lower layer
/// comes first, then fewer steps, then fewer edited layers, then the order of names.
bool is_better(TuneTrial const& a, TuneTrial const& b);

/// The trials on so many facts, the best first; of each candidate one.
std::vector<TuneTrial> ranking(std::vector<TuneTrial> const& trials, std::size_t facts);

/// The searches of a rung, from what the rungs before it found; `start` as in `ending_at`, `layers` may be edited.
std::vector<TuneCandidate> searches_of(LadderRung const& rung, std::vector<TuneTrial> const& before, EditHparams const& start,
                                       int layers);

/// All settings that the rung tries; `window` is the longest one of edited layers.
std::vector<TuneCandidate> candidates_of(LadderRung const& rung, std::vector<TuneTrial> const& before, EditHparams const& start,
                                         int layers, int window);

}  // namespace onemask
