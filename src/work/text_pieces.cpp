#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/data/joined_text.hpp>
#include <onemask/data/prompt.hpp>
#include <onemask/model/positions.hpp>
#include <onemask/work/text_pieces.hpp>

#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

/// The first tokens of the documents, end to end.
std::vector<std::int64_t> read_tokens(PerplexityOptions const& options, Tokenizer const& tokenizer, ModelConfig const& config) {
  auto const wanted = static_cast<std::size_t>(options.tokens);
  auto const corpus = options.ids.empty() ? Corpus::of_texts(options.text) : Corpus::of_ids(options.ids);
  auto ids = joined_tokens(corpus, tokenizer, config.vocabulary, wanted);
  if (ids.size() < wanted) {
    throw UserError(fmt::format(
        "The text of perplexity has only {} tokens, but {} are requested. Give more text, or fewer tokens.", ids.size(), wanted));
  }
  return ids;
}

std::int64_t segment_of(PerplexityOptions const& options, ModelConfig const& config) {
  if (options.segment == 0) return usual_segment(config);
  require_positions(options.segment, config.positions, "A window of perplexity (perplexity.segment)", "Ask for at most as many.");
  return options.segment;
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
  if (!options.asked()) return pieces;
  auto const ids = read_tokens(options, tokenizer, config);
  for (auto& windows : in_pieces(cut_text(ids, head_token(tokenizer), segment_of(options, config), options.stride))) {
    auto& piece = pieces.emplace_back();
    piece.id = id_of(windows);
    for (auto const& window : windows) piece.tokens += static_cast<std::int64_t>(window.ids.size() - window.scored);
    piece.windows = std::move(windows);
  }
  if (pieces.empty())
    throw UserError("The text of perplexity has fewer than two tokens. Name a file with text (perplexity.text).");
  return pieces;
}

}  // namespace onemask
