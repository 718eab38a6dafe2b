#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace onemask {

/// One record of CounterFact (Meng et al. 2022, "Locating and Editing Factual Associations in GPT", section 3.3): a fact, and the
/// false object that an edit puts in its place.
struct Fact {
  std::int64_t case_id = 0;
  std::optional<std::int64_t> pararel_idx;        ///< row of ParaRel the fact was made from
  std::string relation;                           ///< Wikidata property, e.g. "P103"
  std::string subject;                            ///< e.g. "Danielle Darrieux"
  std::string prompt;                             ///< the relation's template, with one {} for the subject
  std::string target_true, target_new;            ///< objects, without a leading space
  std::string target_true_id, target_new_id;      ///< Wikidata items of the objects, or ""
  std::vector<std::string> paraphrase_prompts;    ///< the same question in other words
  std::vector<std::string> neighborhood_prompts;  ///< other subjects that share target_true
  std::vector<std::string> attribute_prompts;     ///< other subjects that share target_new
  std::vector<std::string> generation_prompts;    ///< beginnings of texts about the subject

  /// The prompt with the subject filled in.
  std::string question() const;
};

/// Reads CounterFact records: a JSON list, or JSON lines with a record each; gzip may have packed the file. The prompt lists,
/// pararel_idx and the objects' items may be absent. Throws UserError
/// naming file, record and field for anything missing, of a wrong type or empty, and for a prompt without exactly one {}.
std::vector<Fact> read_counterfact(std::filesystem::path const& file);

/// A file that `read_counterfact` reads as these facts: a JSON list, a line for each record.
std::string counterfact_text(std::vector<Fact> const& facts);

/// SHA-256 of every field of every fact, in order.
std::string fingerprint(std::vector<Fact> const& facts);

}  // namespace onemask
