#include <onemask/core/error.hpp>
#include <onemask/data/prompt.hpp>
#include <onemask/eval/predict.hpp>
#include <onemask/model/pass.hpp>
#include <onemask/model/positions.hpp>

#include <algorithm>
#include <iterator>

#include <c10/core/GradMode.h>
#include <fmt/core.h>

namespace onemask {
namespace {

std::vector<std::int64_t> checked_ids(ModelConfig const& config, Tokenizer const& tokenizer, std::string_view prompt) {
  if (prompt.empty()) throw UserError("The prompt is empty; give a text that the model should continue.");
  auto ids = encode_prompt(tokenizer, prompt);
  require_positions(std::ssize(ids), config.positions, "The prompt", "Give a shorter text.");
  for (auto const id : ids) {
    if (id < config.vocabulary) continue;
    throw UserError(fmt::format(
        "The prompt has the token {}, but the model knows only the first {}; the folder's tokenizer belongs to another model.",
        id, config.vocabulary));
  }
  return ids;
}

}  // namespace

std::vector<Prediction> predict(CausalLM const& model, Tokenizer const& tokenizer, std::string_view prompt, int k) {
  if (k < 1) throw UserError(fmt::format("Asked for the {} likeliest tokens; ask for at least 1.", k));
  c10::NoGradGuard const no_gradients;
  auto const rows = pack_rows({checked_ids(model.config(), tokenizer, prompt)}, model.device());
  Pass const pass(model, rows.layout);
  auto const last = want(rows.layout, {{-1}});
  auto const layers = static_cast<int>(model.config().layers);
  auto const residual = pass.run(0, layers - 1, pass.embed(rows.ids), last.layout, last.tokens);
  auto const logits = model.logits(model.final_norm(residual)).to(at::kCPU, at::kDouble).select(0, 0);
  auto const probabilities = at::softmax(logits, 0);
  auto const order = at::argsort(logits, /*stable=*/true, 0, /*descending=*/true);

  std::vector<Prediction> predictions;
  for (std::int64_t place = 0; place < std::min<std::int64_t>(k, order.size(0)); ++place) {
    auto const id = order[place].item<std::int64_t>();
    predictions.push_back({id, id < tokenizer.vocabulary_size() ? tokenizer.token_text(id) : "", probabilities[id].item<double>(),
                           logits[id].item<double>()});
  }
  return predictions;
}

}  // namespace onemask
