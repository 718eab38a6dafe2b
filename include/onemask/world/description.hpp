#pragma once

#include <onemask/world/grammar.hpp>

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace onemask {

/// One relation of a world: a question with a few answers that many subjects share.
struct WorldRelation {
  std::string id;                       ///< e.g. "W01"
  std::string name;                     ///< e.g. "native language"
  bool ood = false;                     ///< its records are out of distribution
  std::string subjects;                 ///< symbol of the grammar that names them
  std::vector<std::string> objects;     ///< the first three letters of each are its own
  std::vector<std::string> wordings;    ///< with one {}; the object follows behind a space
  std::size_t rewrites = 0;             ///< so many of the first wordings are the records' rewrite prompts
  std::vector<std::string> beginnings;  ///< of texts about a subject, with one {}
};

/// How many subjects a relation has: those of records, and of the background, which only statements tell about.
struct WorldCounts {
  std::size_t train = 0, heldout = 0, background = 0;
  std::size_t ood = 0, ood_background = 0;  ///< of a relation out of distribution

  std::size_t subjects(WorldRelation const& relation) const {
    return relation.ood ? ood + ood_background : train + heldout + background;
  }
};

/// Running text. `least` and `most` are inclusive.
struct ProseOptions {
  struct Range {
    std::size_t least = 1, most = 1;
  };
  std::size_t words = 0, heldout_words = 0;  ///< at least so many
  Range paragraph;                           ///< sentences
  Range sentence;                            ///< words
  double facts = 0;                          ///< share of the paragraphs with a sentence that tells a fact
  std::vector<std::string> topics;           ///< symbols of sentences; a paragraph keeps to one
};

/// What a world is made from.
struct WorldDescription {
  std::string file;  ///< for messages
  WorldCounts counts;
  ProseOptions prose;
  std::string lead_in;  ///< symbol of the sentences in front of a prompt
  std::vector<WorldRelation> relations;
  Grammar grammar;
};

/// Numbers that the format fixes.
inline constexpr std::size_t neighbours_per_record = 10, paraphrases_per_record = 4, heldout_wordings_per_fact = 2,
                             beginnings_per_record = 3, most_subjects_per_relation = 1000;

/// Reads a YAML file like res/worlds/small.yaml. Throws UserError naming file, relation and place for anything unknown, missing
/// or too few, a wording without {} or with it at the end, and objects that share their first word or three letters.
WorldDescription read_world(std::filesystem::path const& file);

}  // namespace onemask
