#include "moments/corpus_share.hpp"

#include <onemask/comm/agree.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/interrupt.hpp>
#include <onemask/core/invariant.hpp>

#include <algorithm>
#include <cstring>
#include <numeric>

#include <fmt/core.h>

namespace onemask {
namespace {

constexpr std::int64_t section_tokens = std::int64_t{4} << 20;
/// Units that a rank tokenizes before the ranks tell each other their counts.
constexpr std::size_t most_units_at_once = 64;

std::int64_t tokens_of(std::vector<Segment> const& segments) {
  std::int64_t tokens = 0;
  for (auto const& segment : segments) tokens += static_cast<std::int64_t>(segment.ids.size());
  return tokens;
}

/// Keeps the first tokens.
void cut(std::vector<Segment>& segments, std::int64_t tokens) {
  std::size_t kept = 0;
  for (; kept < segments.size() && tokens > 0; ++kept) {
    auto& ids = segments[kept].ids;
    ids.resize(std::min(ids.size(), static_cast<std::size_t>(tokens)));
    tokens -= static_cast<std::int64_t>(ids.size());
  }
  segments.resize(kept);
}

/// The counts of units `first` … from what every rank says of its own, in order.
void append_counts(std::vector<std::int64_t>& counts, std::size_t last, std::vector<std::string> const& said) {
  std::vector<std::size_t> read(said.size(), 0);
  for (auto u = counts.size(); u < last; ++u) {
    auto const owner = static_cast<std::size_t>(CorpusShare::owner(u, static_cast<int>(said.size())));
    std::int64_t count = 0;
    invariant(said[owner].size() >= read[owner] + sizeof count, "rank ", owner, " told of ", said[owner].size() / sizeof count,
              " units of text, which are fewer than it has");
    std::memcpy(&count, said[owner].data() + read[owner], sizeof count);
    read[owner] += sizeof count;
    counts.push_back(count);
  }
  for (std::size_t rank = 0; rank < said.size(); ++rank)
    invariant(read[rank] == said[rank].size(), "rank ", rank, " told of more units of text than it has");
}

}  // namespace

CorpusShare share_corpus(Communicator const& world, Corpus const& corpus, Tokenizer const& tokenizer, Reading const& reading,
                         std::function<bool()> const& stopped) {
  auto const ranks = static_cast<std::size_t>(world.size());
  CorpusShare share;
  std::size_t at_once = 1;
  auto& counts = share.unit_tokens;
  while (counts.size() < corpus.units() && (reading.tokens == 0 || share.tokens < reading.tokens)) {
    auto const first = counts.size(), last = std::min(corpus.units(), first + at_once * ranks);
    std::string own;
    agree(world, [&] {
      for (auto u = first; u < last; ++u) {
        if (CorpusShare::owner(u, world.size()) != world.rank()) continue;
        stop_if(stopped);
        auto segments = corpus.segments(u, tokenizer, reading.longest, reading.vocabulary);
        auto const count = tokens_of(segments);
        own.append(reinterpret_cast<char const*>(&count), sizeof count);
        share.units.emplace(u, std::move(segments));
      }
    });
    append_counts(counts, last, world.all_gather(own));
    share.tokens = std::accumulate(counts.begin() + static_cast<std::ptrdiff_t>(first), counts.end(), share.tokens);
    at_once = std::min(2 * at_once, most_units_at_once);
  }
  require_tokens(share.tokens, reading.tokens);
  if (reading.tokens == 0) return share;
  std::int64_t left = reading.tokens;
  std::size_t used = 0;
  for (; left > 0; ++used) {
    if (counts[used] > left) {
      counts[used] = left;
      if (auto const mine = share.units.find(used); mine != share.units.end()) cut(mine->second, left);
    }
    left -= counts[used];
  }
  invariant(left == 0, "the text was cut ", left, " tokens too early");
  counts.resize(used);
  share.units.erase(share.units.lower_bound(used), share.units.end());
  share.tokens = reading.tokens;
  return share;
}

void require_tokens(std::int64_t tokens, std::int64_t asked) {
  if (tokens == 0) throw UserError("The corpus has no tokens. Name files with text.");
  if (tokens >= asked) return;
  throw UserError(
      fmt::format("The corpus has only {} tokens, but {} are requested. Give more text, or fewer tokens.", tokens, asked));
}

std::vector<MomentSection> cut_sections(std::vector<std::int64_t> const& unit_tokens) {
  auto const total = std::accumulate(unit_tokens.begin(), unit_tokens.end(), std::int64_t{0});
  std::vector<MomentSection> sections;
  std::int64_t done = 0, before = 0;  // at the end of the last section
  std::size_t first = 0;
  for (std::size_t u = 0; u < unit_tokens.size() && done < total; ++u) {
    if (done > before && done + unit_tokens[u] > before + section_tokens) {
      sections.push_back({first, u, done, false});
      first = u;
      before = done;
    }
    auto const start = done;
    done += unit_tokens[u];
    bool mark = false;
    for (double const share : {0.125, 0.25, 0.5, 1.0}) {
      auto const wanted = share * static_cast<double>(total);
      mark = mark || (static_cast<double>(start) < wanted && static_cast<double>(done) >= wanted);
    }
    if (!mark) continue;
    sections.push_back({first, u + 1, done, true});
    first = u + 1;
    before = done;
  }
  invariant(sections.empty() || sections.back().tokens_done == total, "the sections of a text end after ", done, " of ", total,
            " tokens");
  return sections;
}

void stop_if(std::function<bool()> const& stopped) {
  if (stopped()) {
    throw Interrupted("A signal stopped the second moments; run the same command again to continue from the last checkpoint.");
  }
}

}  // namespace onemask
