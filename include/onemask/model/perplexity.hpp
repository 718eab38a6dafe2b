#pragma once

#include <onemask/model/pass.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace onemask {

/// Tokens of a text that a model reads at once; those from `scored` on, at least one, are scored.
struct TextWindow {
  std::vector<std::int64_t> ids;
  std::size_t scored = 1;

  bool operator==(TextWindow const&) const = default;
};

/// Cuts a text into windows of at most `segment` tokens. They begin every `stride` tokens of the text (0: every window where the
/// one before it ends), up to the one that reaches its end; where the model expects a token before a text, `bos`, it heads every
/// window and is one of its tokens, never a scored one. A token is scored in the first window in which something stands before
/// it; so all are, but without `bos` the first of the text, and without an overlap as well the first of every window.
///
/// Throws UserError when a window has no room for two tokens, or the stride is longer than a window.
std::vector<TextWindow> cut_text(std::span<std::int64_t const> text, std::optional<std::int64_t> bos, std::int64_t segment,
                                 std::int64_t stride);

/// The windows in pieces of some thousand tokens, which are what is dealt out to ranks; cut by their lengths alone.
std::vector<std::vector<TextWindow>> in_pieces(std::vector<TextWindow> windows);

/// How likely a text is. Its perplexity is exp(nll / tokens).
struct TextScore {
  double nll = 0;           ///< sum of -log P(token | tokens before it in its window), in nats
  std::int64_t tokens = 0;  ///< scored ones
};

/// The sum is of float32 log-probabilities in doubles, window by window in order. It waits for a GPU once for every 256 tokens
/// that are scored, and once for every pack of up to 2048 to prepare it.
TextScore score_text(CausalLM const& model, std::span<TextWindow const> windows);

/// A text that is run once up to the second projection of a layer, to be scored under changes of this projection.
class HalfwayText {
 public:
  HalfwayText(CausalLM const& model, int layer, std::span<TextWindow const> windows);

  int layer() const { return layer_; }
  /// As score_text. All tokens have the one edit of `change`, if it has any; `change.edit` is filled in here.
  TextScore score(ProjectionOverride change) const;

 private:
  /// Windows that run through the model at once.
  struct Pack {
    Layout layout;
    Halfway half;
    Wanted wanted;
    at::Tensor target;
  };
  CausalLM const& model_;
  int layer_;
  std::vector<Pack> packs_;
};

/// A safetensors file.
std::string to_bytes(TextScore const& score);
/// Throws UserError naming `source` when the bytes are not such a score.
TextScore text_score_from_bytes(std::string bytes, std::string const& source);

}  // namespace onemask
