#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace onemask {

/// How a run ended, as the last order tells every rank.
struct RunEnding {
  enum class End : std::int32_t { complete, partial, interrupted, failed, refused };
  End end = End::partial;
  bool stuck = false;                   ///< some ranks are still in tasks, or do not answer
  std::vector<std::int32_t> dead = {};  ///< ranks whose processes have ended
  std::string sentence = {};            ///< for people, where it is not complete

  bool operator==(RunEnding const&) const = default;
};

/// The exit code of a run that ended so: 0, 3, 75, 1 or 2.
int exit_code(RunEnding::End end);

}  // namespace onemask
