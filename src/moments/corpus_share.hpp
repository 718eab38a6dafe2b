#pragma once

#include <onemask/comm/communicator.hpp>
#include <onemask/data/corpus.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

namespace onemask {

/// How a corpus is read.
struct Reading {
  std::int64_t tokens;      ///< only the first so many, 0: all
  std::int64_t longest;     ///< segment [tokens]
  std::int64_t vocabulary;  ///< of the model
};

/// The tokens of a corpus, dealt out to ranks by units: unit u belongs to rank u mod ranks.
struct CorpusShare {
  std::vector<std::int64_t> unit_tokens;              ///< of every unit that is used; the same on all ranks
  std::int64_t tokens = 0;                            ///< of all of them
  std::map<std::size_t, std::vector<Segment>> units;  ///< this rank's own

  /// The rank that has a unit.
  static int owner(std::size_t unit, int ranks) { return static_cast<int>(unit % static_cast<std::size_t>(ranks)); }
};

/// Every rank tokenizes its units, until together they have enough; the last segment is cut where there are too many. Collective.
/// Throws UserError when a document cannot be read or the corpus has too few tokens, Interrupted when `stopped` says so on any
/// rank.
CorpusShare share_corpus(Communicator const& world, Corpus const& corpus, Tokenizer const& tokenizer, Reading const& reading,
                         std::function<bool()> const& stopped);

/// Throws UserError where a corpus has no tokens, or fewer than are asked for (0: all).
void require_tokens(std::int64_t tokens, std::int64_t asked);

/// Units whose sums are made before the next checkpoint.
struct MomentSection {
  std::size_t first, last;   ///< units, `last` not included
  std::int64_t tokens_done;  ///< in all units before `last`
  bool mark;                 ///< with it the first eighth, quarter or half of the tokens, or all of them, are done
};

/// Ends at the units in which those shares of the tokens are reached, and before there would be more than 4 Mi tokens.
std::vector<MomentSection> cut_sections(std::vector<std::int64_t> const& unit_tokens);

/// Throws Interrupted when `stopped` says so.
void stop_if(std::function<bool()> const& stopped);

}  // namespace onemask
