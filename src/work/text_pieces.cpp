#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/data/corpus.hpp>
#include <onemask/work/text_pieces.hpp>

#include <algorithm>
#include <limits>

#include <fmt/core.h>

namespace onemask {
namespace {

/// Tokens of a piece, unless one window has more: some seconds of work.
constexpr std::size_t tokens_of_piece = 8192;

/// The token that a model expects before every text.
std::optional<std::int64_t> head_of(Tokenizer const& tokenizer) {
  return tokenizer.adds_bos() ? tokenizer.bos() : std::nullopt;
}

/// The first tokens of the documents, end to end.
std::vector<std::int64_t> read_tokens(PerplexityOptions const& options, Tokenizer const& tokenizer, ModelConfig const& config) {
  auto const corpus = Corpus::of_texts(options.text);
  auto const head = head_of(tokenizer) ? std::ptrdiff_t{1} : std::ptrdiff_t{0};
  auto const wanted = static_cast<std::size_t>(options.tokens);
  std::vector<std::int64_t> ids;
  for (std::size_t u = 0; u < corpus.units() && (wanted == 0 || ids.size() < wanted); ++u) {
    for (auto const& document : corpus.segments(u, tokenizer, std::numeric_limits<std::int64_t>::max(), config.vocabulary))
      ids.insert(ids.end(), document.ids.begin() + head, document.ids.end());
  }
  if (ids.size() < wanted) {
    throw UserError(fmt::format(
        "The text of perplexity has only {} tokens, but {} are requested. Give more text, or fewer tokens.", ids.size(), wanted));
  }
  if (wanted > 0) ids.resize(wanted);
  return ids;
}

std::int64_t segment_of(PerplexityOptions const& options, ModelConfig const& config) {
  constexpr std::int64_t usual = 1024;
  if (options.segment == 0) return std::min(usual, config.positions);
  if (options.segment <= config.positions) return options.segment;
  throw UserError(
      fmt::format("The windows of perplexity have {} tokens (perplexity.segment), but the model has {} positions. "
                  "Ask for at most as many.",
                  options.segment, config.positions));
}

std::string id_of(std::vector<TextWindow> const& windows) {
  Hasher hasher;
  for (auto const& [ids, scored] : windows) {
    hasher.integer(static_cast<long long>(scored)).integer(static_cast<long long>(ids.size()));
    hasher.bytes(ids.data(), ids.size() * sizeof ids[0]);
  }
  return hasher.hex();
}

}  // namespace

std::vector<TextWindows> read_text(PerplexityOptions const& options, Tokenizer const& tokenizer, ModelConfig const& config) {
  std::vector<TextWindows> pieces;
  if (options.text.empty()) return pieces;
  auto const ids = read_tokens(options, tokenizer, config);
  std::size_t tokens = tokens_of_piece;
  for (auto& window : cut_text(ids, head_of(tokenizer), segment_of(options, config), options.stride)) {
    if (pieces.empty() || tokens + window.ids.size() > tokens_of_piece) {
      pieces.emplace_back();
      tokens = 0;
    }
    tokens += window.ids.size();
    pieces.back().tokens += static_cast<std::int64_t>(window.ids.size() - window.scored);
    pieces.back().windows.push_back(std::move(window));
  }
  if (pieces.empty())
    throw UserError("The text of perplexity has fewer than two tokens. Name a file with text (perplexity.text).");
  for (auto& piece : pieces) piece.id = id_of(piece.windows);
  return pieces;
}

}  // namespace onemask
