#pragma once

#include <onemask/data/counterfact.hpp>
#include <onemask/world/description.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace onemask {

/// A fact of the world, in a record or not.
struct WorldFact {
  enum class Part { train, heldout, ood, background };
  std::size_t relation = 0;  ///< in WorldDescription::relations
  std::size_t number = 0;    ///< in its relation
  Part part = Part::background;
  std::string subject;
  std::size_t object = 0, new_object = 0;  ///< in WorldRelation::objects; the new one is that of the record
  std::vector<std::size_t> training = {};  ///< wordings that statements may use, the record's rewrite prompt first
  std::vector<std::size_t> heldout = {};   ///< the record's wordings that no statement uses with this subject
  std::vector<std::string> lead_ins = {};  ///< sentences in front of the record's second and fourth paraphrase
};

/// All facts, relation by relation. Each is drawn from random numbers of its own, keyed by the relation's id and its number
/// there; names that another subject contains or that contain one, or an object of the world, are drawn again. Every object of a
/// relation has as many subjects as another, or one more. Throws UserError when a symbol has too few names.
std::vector<WorldFact> make_facts(WorldDescription const& world, std::uint64_t seed);

/// The prompt of a fact in a wording of its relation.
std::string prompt_of(WorldDescription const& world, WorldFact const& fact, std::size_t wording);

/// The CounterFact records of a part, in the order of `facts`. Neighbours are drawn evenly from all other subjects of the object.
std::vector<Fact> make_records(WorldDescription const& world, std::vector<WorldFact> const& facts, WorldFact::Part part,
                               std::uint64_t seed);

}  // namespace onemask
