#pragma once

#include <onemask/data/split.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace onemask {

/// Whether the unedited model knows a fact, as far as it was asked.
enum class Knowledge : std::uint8_t { unscored, known, unknown };

/// The facts that a split is chosen among, in the order that they are taken in: those of its files and relations, shuffled.
struct Candidates {
  FactSelection selection;
  std::vector<Fact> facts;
  std::vector<Knowledge> knowledge;  ///< of each fact; all known where the selection asks for no test
};

/// Nothing is scored yet. Throws UserError for a pattern without files, an unknown relation, or a selection of 0 facts.
Candidates read_candidates(FactSelection const& selection, std::filesystem::path const& base);

/// Places of the candidates that have to be scored next: those that would be in the split, or in front of it, if the model knew
/// all that are not scored. None: the split is decided, whatever the model knows of the others.
std::vector<std::size_t> undecided(Candidates const& candidates);

/// How many facts of a relation a model was found to know.
struct KnownCount {
  std::string split;
  std::string relation;        ///< every_relation: all of the split
  std::size_t candidates = 0;  ///< facts to choose among
  std::size_t scored = 0;      ///< of these; choosing stops where a split has what it asks for
  std::size_t known = 0;       ///< of the scored ones
  std::size_t taken = 0;       ///< of the known ones: facts of the split

  bool operator==(KnownCount const&) const = default;
};

/// "Split 'train': the model knows 599 of the 1000 facts that were scored, of 4000; the split has 200 of them."
std::string sentence_of(KnownCount const& count);

/// A split as its selection makes it, before facts of earlier splits are dropped.
struct ChosenFacts {
  FactSelection selection;
  std::vector<Fact> facts;
  std::vector<KnownCount> counts;  ///< all relations together, then each by itself; none where the selection asks for no test
};

/// Candidates that are not scored count as known. Throws UserError for fewer facts than asked for.
ChosenFacts choose_facts(Candidates candidates);

/// The facts of a study, and what its model knows of those that it was chosen among.
struct SelectedFacts {
  std::vector<SplitFact> facts;
  std::vector<KnownCount> known;  ///< of splits that ask for a test
};

/// Each (relation, subject) is given once, to the first split that names it, since a fact is one edit and held-out facts must be
/// unseen; the others are dropped, with one warning per split that counts them. Throws UserError for a split without facts and a
/// case_id that stands for two different facts. A split that has facts of one of `training_splits` is refused, unless its
/// selection allows such an overlap; of two of them the later one must.
SelectedFacts join_splits(std::vector<ChosenFacts> splits, std::vector<std::string> const& training_splits = {});

}  // namespace onemask
