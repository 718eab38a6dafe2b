#include <onemask/analysis/causal_trace.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/random.hpp>
#include <onemask/data/prompt.hpp>
#include <onemask/model/positions.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

namespace onemask {
namespace {

/// Tokens whose embeddings are read at once.
constexpr std::size_t tokens_at_once = 4096;

/// Sets the tokens that hold a character of the subject; those before `head` are of no text.
void find_subject(Tokenizer const& tokenizer, Fact const& fact, std::size_t head, TracePrompt& prompt) {
  std::string text;
  std::vector<std::size_t> ends(head, 0);
  for (auto i = head; i < prompt.ids.size(); ++i) {
    text += tokenizer.token_text(prompt.ids[i]);
    ends.push_back(text.size());
  }
  // A tokenizer may put a space in front, but takes nothing away unless it normalizes texts.
  auto place = text.find(fact.subject, fact.prompt.find("{}"));
  if (place == std::string::npos) place = text.rfind(fact.subject);
  if (place == std::string::npos || fact.subject.empty()) {
    throw UserError(
        fmt::format("The record with case_id {}: its subject, '{}', is not found in the tokens of its prompt, so it is not known "
                    "which of them to corrupt. Leave the record out.",
                    fact.case_id, fact.subject));
  }
  auto const first_beyond = [&](std::size_t character) {
    return std::upper_bound(ends.begin(), ends.end(), character) - ends.begin();
  };
  prompt.subject = first_beyond(place);
  prompt.after = first_beyond(place + fact.subject.size() - 1) + 1;
}

}  // namespace

TracePlace TracePrompt::place_of(std::int64_t token) const {
  if (token == after - 1) return TracePlace::subject_last;
  if (token < after) return token == subject ? TracePlace::subject_first : TracePlace::subject_middle;
  if (token == std::ssize(ids) - 1) return TracePlace::last_token;
  return token == after ? TracePlace::after_first : TracePlace::after_middle;
}

TracePrompt make_trace_prompt(Tokenizer const& tokenizer, Fact const& fact, std::int64_t positions) {
  auto const text = fact.question();
  TracePrompt prompt{fact.case_id, encode_prompt(tokenizer, text), {}};
  try {
    prompt.object = encode_target(tokenizer, fact.target_true);
  } catch (UserError const& error) {
    throw UserError(fmt::format("The record with case_id {}, field target_true: {}", fact.case_id, error.what()));
  }
  require_positions_of_fact(fact.case_id, text, prompt.ids.size(), prompt.object.size(), positions);
  find_subject(tokenizer, fact, head_token(tokenizer) ? 1 : 0, prompt);
  return prompt;
}

double subject_deviation(CausalLM const& model, std::vector<TracePrompt> const& prompts) {
  std::vector<std::int64_t> tokens;
  for (auto const& prompt : prompts)
    tokens.insert(tokens.end(), prompt.ids.begin() + prompt.subject, prompt.ids.begin() + prompt.after);
  double sum = 0, squares = 0;
  for (std::size_t first = 0; first < tokens.size(); first += tokens_at_once) {
    auto const begin = tokens.begin() + static_cast<std::ptrdiff_t>(first);
    std::vector<std::int64_t> const some(begin,
                                         begin + static_cast<std::ptrdiff_t>(std::min(tokens_at_once, tokens.size() - first)));
    auto const embedded = model.token_embedding(index_tensor(some, model.device())).to(at::kCPU).to(at::kDouble);
    sum += embedded.sum().item<double>();
    squares += embedded.square().sum().item<double>();
  }
  auto const count = static_cast<double>(tokens.size()) * static_cast<double>(model.config().hidden);
  return std::sqrt((squares - sum * sum / count) / (count - 1));
}

at::Tensor subject_noise(TraceNoise const& noise, TracePrompt const& prompt, int sample, std::int64_t hidden) {
  RandomStream random(
      {noise.seed, stream::tracing_noise, static_cast<std::uint64_t>(prompt.case_id), static_cast<std::uint64_t>(sample)});
  auto const values = at::empty({prompt.subject_tokens(), hidden}, at::kFloat);
  auto* next = values.data_ptr<float>();
  for (std::int64_t i = 0; i < values.numel(); ++i) *next++ = static_cast<float>(noise.deviation * random.normal());
  return values;
}

}  // namespace onemask
