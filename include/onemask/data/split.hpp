#pragma once

#include <onemask/core/names.hpp>
#include <onemask/data/counterfact.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace onemask {

/// How the unedited model shows that it knows a fact.
enum class KnownTest {
  none,     ///< it need not
  two_way,  ///< log P(true object) - log P(new object), of the whole objects (RSM), is above the margin
  top1      ///< every token of the true object is, behind those before it, likelier than any other by more than the margin
};
inline constexpr std::array<Named<KnownTest>, 3> known_test_names{
    {{KnownTest::none, "none"}, {KnownTest::two_way, "two-way"}, {KnownTest::top1, "top-1"}}};

/// How a fact of another split may be in the training split too: by its case_id; else by relation and subject; else by the text
/// of its rewrite prompt.
enum class FactOverlap { case_id, subject, prompt };
inline constexpr std::array<Named<FactOverlap>, 3> fact_overlap_names{
    {{FactOverlap::case_id, "case"}, {FactOverlap::subject, "subject"}, {FactOverlap::prompt, "prompt"}}};

/// Which facts of which files a split is made of. Read in this order: the facts of all files, those of `relations`, shuffled,
/// those that the model knows; of each relation, after `offset_per_relation`, the next `per_relation`; of these the first
/// `limit`.
struct FactSelection {
  std::string split = {};                               ///< name, e.g. "train"
  std::vector<std::string> files = {};                  ///< of CounterFact records; * in a file's name stands for any text
  std::vector<std::string> relations = {};              ///< empty: all
  std::optional<std::size_t> per_relation = {};         ///< exactly so many of each relation; absent: all
  std::optional<std::size_t> offset_per_relation = {};  ///< skipped first
  std::optional<std::size_t> limit = {};                ///< at most so many in all
  bool shuffle = false;                                 ///< an order drawn from `seed` and each fact's case_id alone
  std::uint64_t seed = 0;
  KnownTest known = KnownTest::none;  ///< that facts must pass
  double known_margin = 0;            ///< [nats] of the test
  bool known_paraphrases = false;     ///< the test must be passed on every paraphrase as well, not on the rewrite prompt alone
  std::vector<FactOverlap> allow_overlap = {};  ///< with the training split
};

struct SplitFact {
  Fact fact;
  std::string split;                ///< validation_split: it is held back from training
  std::string held_back_from = {};  ///< the split that it then comes from; else empty

  /// The split of the study that it comes from.
  std::string const& home() const { return held_back_from.empty() ? split : held_back_from; }
};

/// The facts of all selections, in their order, as if the model knew all of them; relative files are looked for in `base`. Each
/// (relation, subject) is given once, see join_splits. Throws UserError for a pattern without files, an unknown relation, fewer
/// facts than asked for, nothing selected, and as join_splits does.
std::vector<SplitFact> select_facts(std::vector<FactSelection> const& selections, std::filesystem::path const& base,
                                    std::vector<std::string> const& training_splits = {});

}  // namespace onemask
