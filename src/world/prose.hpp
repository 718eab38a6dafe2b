#pragma once

#include "world/facts.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace onemask {

/// Running text: a paragraph a line, a blank line between two.
struct Prose {
  std::string training;  ///< a share of the paragraphs tells a fact, in a wording that statements use for it
  std::string heldout;   ///< of the same grammar, without facts; no sentence of it stands in `training`
};

/// Throws UserError when a topic's sentences have hardly ever the wanted number of words, or too few are there for the held-out
/// text.
Prose make_prose(WorldDescription const& world, std::vector<WorldFact> const& facts, std::uint64_t seed);

}  // namespace onemask
