#pragma once

#include <onemask/world/description.hpp>

#include <cstdint>
#include <map>
#include <string>

namespace onemask {

/// Everything a world is written as, name -> content, from the description and the seed alone:
///   train.json, heldout.json, ood.json   CounterFact records, one a line
///   statements.jsonl                     {"prompt", "target"} a line: every fact in its wordings for training, the rewrite
///                                        prompt first; one more with a lead-in, for records that of their second paraphrase
///   sample.txt                           one statement of most subjects as sentences, and prose: what a model is trained on, in
///                                        small, as second moments of keys need it
///   prose.txt, prose_heldout.txt         running text; see Prose
/// Throws UserError as make_facts and make_prose do.
std::map<std::string, std::string> make_world(WorldDescription const& world, std::uint64_t seed);

}  // namespace onemask
