#pragma once

#include <onemask/data/counterfact.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace onemask {

/// Which facts of which files a split is made of. Read in this order: the facts of all files, those of `relations`, shuffled;
/// of each relation, after `offset_per_relation`, the next `per_relation`; of these the first `limit`.
struct FactSelection {
  std::string split = {};                               ///< name, e.g. "train"
  std::vector<std::string> files = {};                  ///< of CounterFact records; * in a file's name stands for any text
  std::vector<std::string> relations = {};              ///< empty: all
  std::optional<std::size_t> per_relation = {};         ///< exactly so many of each relation; absent: all
  std::optional<std::size_t> offset_per_relation = {};  ///< skipped first
  std::optional<std::size_t> limit = {};                ///< at most so many in all
  bool shuffle = false;                                 ///< an order drawn from `seed` and each fact's case_id alone
  std::uint64_t seed = 0;
};

struct SplitFact {
  Fact fact;
  std::string split;
};

/// The facts of all selections, in their order; relative files are looked for in `base`. Each (relation, subject) is given once,
/// to the first split that names it, since a fact is one edit and held-out facts must be unseen; the others are dropped after
/// the selection, with one warning per split that counts them. Throws UserError for a pattern without files, an unknown relation,
/// fewer facts than asked for, nothing selected, and a case_id that stands for two different facts.
std::vector<SplitFact> select_facts(std::vector<FactSelection> const& selections, std::filesystem::path const& base);

}  // namespace onemask
