#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/model/head_loss.hpp>
#include <onemask/model/pass.hpp>
#include <onemask/model/perplexity.hpp>

#include <algorithm>
#include <numeric>

#include <c10/core/GradMode.h>
#include <fmt/core.h>

namespace onemask {
namespace {

/// Tokens of a piece, unless one window has more: some seconds of work.
constexpr std::size_t tokens_of_piece = 8192;
/// Tokens that run through the model at once, unless one window has more; cut by the text alone, as they decide bits.
constexpr std::size_t tokens_at_once = 2048;
/// Tokens whose log-probabilities are held at once.
constexpr std::int64_t tokens_of_slice = 256;

/// Windows that run through the model at once, on its device.
struct PackedText {
  at::Tensor ids;
  Layout layout;
  Wanted wanted;      ///< the tokens before scored ones
  at::Tensor target;  ///< [wanted, 1] the scored ones
};

PackedText pack_text(CausalLM const& model, std::span<TextWindow const> windows) {
  std::vector<std::vector<std::int64_t>> rows, offsets;
  std::vector<std::int64_t> targets;
  for (auto const& [ids, scored] : windows) {
    invariant(scored > 0 && scored < ids.size(), "a window of ", ids.size(), " tokens is scored from token ", scored);
    rows.push_back(ids);
    auto& before = offsets.emplace_back(ids.size() - scored);
    std::iota(before.begin(), before.end(), static_cast<std::int64_t>(scored) - 1);
    targets.insert(targets.end(), ids.begin() + static_cast<std::ptrdiff_t>(scored), ids.end());
  }
  auto packed = pack_rows(rows, at::kCPU);
  auto wanted = want(packed.layout, offsets);
  auto target = index_tensor(targets, at::kCPU).unsqueeze(1);
  IndexMove().add(packed).add(wanted.layout).add(wanted.tokens).add(target).to(model.device());
  return {packed.ids, packed.layout, std::move(wanted), std::move(target)};
}

/// Of the hidden states of the tokens before scored ones.
double sum_of_nll(CausalLM const& model, at::Tensor const& hidden, at::Tensor const& target) {
  auto const normed = model.final_norm(hidden);
  invariant(normed.size(0) == target.size(0), normed.size(0), " tokens are predicted where ", target.size(0), " are scored");
  double sum = 0;
  for (std::int64_t first = 0; first < normed.size(0); first += tokens_of_slice) {
    auto const count = std::min(tokens_of_slice, normed.size(0) - first);
    auto const likely = log_probabilities(model, normed.narrow(0, first, count)).gather(1, target.narrow(0, first, count));
    sum -= likely.sum(at::kDouble).item<double>();
  }
  return sum;
}

/// Calls `use` for the windows of each pass, in order.
template <class Use>
void for_each_pack(std::span<TextWindow const> windows, Use const& use) {
  for (std::size_t first = 0, last = 0; first < windows.size(); first = last) {
    std::size_t tokens = 0;
    do {
      tokens += windows[last++].ids.size();
    } while (last < windows.size() && tokens + windows[last].ids.size() <= tokens_at_once);
    use(windows.subspan(first, last - first));
  }
}

}  // namespace

std::vector<TextWindow> cut_text(std::span<std::int64_t const> text, std::optional<std::int64_t> bos, std::int64_t segment,
                                 std::int64_t stride) {
  auto const room = segment - (bos ? 1 : 0);
  if (segment < 2) throw UserError(fmt::format("A window of text has {} tokens; perplexity needs at least 2.", segment));
  if (stride < 0 || stride > room) {
    throw UserError(
        fmt::format("The windows of text hold {} tokens of it each, so windows cannot begin every {} tokens. "
                    "Set the stride to at most {}.",
                    room, stride, room));
  }
  auto const step = static_cast<std::size_t>(stride > 0 ? stride : room);
  std::vector<TextWindow> windows;
  for (std::size_t first = 0, end = 0; end < text.size(); first += step) {
    auto const covered = end;
    end = std::min(text.size(), first + static_cast<std::size_t>(room));
    TextWindow window;
    if (bos) window.ids.push_back(*bos);
    window.scored = std::max<std::size_t>(1, window.ids.size() + covered - first);
    auto const part = text.subspan(first, end - first);
    window.ids.insert(window.ids.end(), part.begin(), part.end());
    if (window.scored < window.ids.size()) windows.push_back(std::move(window));
  }
  return windows;
}

std::vector<std::vector<TextWindow>> in_pieces(std::vector<TextWindow> windows) {
  std::vector<std::vector<TextWindow>> pieces;
  std::size_t tokens = 0;
  for (auto& window : windows) {
    if (pieces.empty() || tokens + window.ids.size() > tokens_of_piece) {
      pieces.emplace_back();
      tokens = 0;
    }
    tokens += window.ids.size();
    pieces.back().push_back(std::move(window));
  }
  return pieces;
}

TextScore score_text(CausalLM const& model, std::span<TextWindow const> windows) {
  c10::NoGradGuard const no_gradients;
  auto const last = static_cast<int>(model.config().layers) - 1;
  TextScore score;
  for_each_pack(windows, [&](auto some) {
    auto const text = pack_text(model, some);
    Pass const pass(model, text.layout);
    auto const hidden = pass.run(0, last, pass.embed(text.ids), text.wanted.layout, text.wanted.tokens);
    score.nll += sum_of_nll(model, hidden, text.target);
    score.tokens += text.target.size(0);
  });
  return score;
}

HalfwayText::HalfwayText(CausalLM const& model, int layer, std::span<TextWindow const> windows) : model_(model), layer_(layer) {
  c10::NoGradGuard const no_gradients;
  for_each_pack(windows, [&](auto some) {
    auto text = pack_text(model, some);
    Pass const pass(model, text.layout);
    auto half = pass.halfway(layer, pass.run(0, layer - 1, pass.embed(text.ids)));
    packs_.push_back({std::move(text.layout), std::move(half), std::move(text.wanted), std::move(text.target)});
  });
}

TextScore HalfwayText::score(ProjectionOverride change) const {
  c10::NoGradGuard const no_gradients;
  auto const last = static_cast<int>(model_.config().layers) - 1;
  TextScore score;
  for (auto const& [layout, half, wanted, target] : packs_) {
    change.edit = at::zeros({half.key.size(0)}, target.options());
    Pass const pass(model_, layout);
    auto const hidden = pass.run(layer_ + 1, last, pass.finish(layer_, half, change), wanted.layout, wanted.tokens);
    score.nll += sum_of_nll(model_, hidden, target);
    score.tokens += target.size(0);
  }
  return score;
}

std::string to_bytes(TextScore const& score) {
  return write_safetensors({{"nll", at::full({1}, score.nll, at::kDouble)}, {"tokens", at::full({1}, score.tokens, at::kLong)}},
                           {});
}

TextScore text_score_from_bytes(std::string bytes, std::string const& source) {
  auto const file = SafetensorsFile::parse(std::move(bytes), source);
  auto const value = [&](char const* name, at::ScalarType type) {
    auto const tensor = file.tensor(name);
    if (tensor.numel() == 1 && tensor.scalar_type() == type) return tensor.item();
    throw UserError(source + " is not the score of a text: '" + name + "' must be one number. Delete it; it will be made again.");
  };
  return {value("nll", at::kDouble).toDouble(), value("tokens", at::kLong).toLong()};
}

}  // namespace onemask
