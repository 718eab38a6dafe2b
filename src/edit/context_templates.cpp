#include <onemask/core/random.hpp>
#include <onemask/data/prompt.hpp>
#include <onemask/edit/context_templates.hpp>
#include <onemask/model/pass.hpp>
#include <onemask/model/positions.hpp>

#include <algorithm>
#include <array>

#include <c10/core/GradMode.h>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

constexpr std::int64_t most_choices = 5;

/// One of the likeliest next tokens, drawn by probability.
std::int64_t sample_next(CausalLM const& model, Tokenizer const& tokenizer, std::vector<std::int64_t> const& ids,
                         RandomStream& random) {
  auto const packed = pack_rows({ids}, model.device());
  Pass const pass(model, packed.layout);
  auto const last = want(packed.layout, {{-1}});
  auto const layers = static_cast<int>(model.config().layers);
  auto const hidden = pass.run(0, layers - 1, pass.embed(packed.ids), last.layout, last.tokens);
  auto const logits = model.logits(model.final_norm(hidden)).to(at::kDouble);
  auto const known = std::min(logits.size(1), tokenizer.vocabulary_size());  // a padded embedding has ids that are no tokens
  auto const [values, tokens] = logits.narrow(1, 0, known).topk(std::min(most_choices, known));
  auto const probabilities = at::softmax(values, -1).to(at::kCPU).contiguous();
  double left = random.uniform();
  std::int64_t choice = 0;
  while (choice + 1 < probabilities.numel() && left >= probabilities.data_ptr<double>()[choice])
    left -= probabilities.data_ptr<double>()[choice++];
  return tokens[0][choice].item<std::int64_t>();
}

/// The text without braces; bytes that end inside a character become the replacement character.
std::string clean(std::string const& text) {
  std::string result;
  for (char c : text) {
    if (c != '{' && c != '}') result += c;
  }
  auto const valid = nlohmann::json(result).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return nlohmann::json::parse(valid).get<std::string>();
}

}  // namespace

void require_template_length(ModelConfig const& config, Tokenizer const& tokenizer, int length) {
  std::int64_t const head = head_token(tokenizer) ? 1 : 0, prompt = 1;  // a prompt has more, but not less
  require_positions(
      head + length + prompt, config.positions,
      fmt::format("A context template of {} tokens (context_template_length_params) with a prompt behind it", length),
      "Ask for shorter ones.");
}

ContextTemplates sample_context_templates(CausalLM const& model, Tokenizer const& tokenizer,
                                          std::vector<std::pair<int, int>> const& length_params, std::uint64_t seed) {
  static constexpr std::array<char const*, 5> starts{"The", "Therefore", "Because", "I", "You"};
  c10::NoGradGuard const no_gradients;
  ContextTemplates templates{"{}"};
  for (auto const& [length, count] : length_params) {
    require_template_length(model.config(), tokenizer, length);
    for (int i = 0; i < count; ++i) {
      auto ids = encode_prompt(tokenizer, starts[static_cast<std::size_t>(i) % starts.size()]);
      auto const bos = tokenizer.adds_bos() ? std::size_t{1} : std::size_t{0};
      RandomStream random({seed, stream::templates, static_cast<std::uint64_t>(length), static_cast<std::uint64_t>(i)});
      while (ids.size() < static_cast<std::size_t>(length) + bos) ids.push_back(sample_next(model, tokenizer, ids, random));
      templates.push_back(clean(tokenizer.decode(std::span(ids).subspan(bos))) + ". {}");
    }
  }
  return templates;
}

}  // namespace onemask
