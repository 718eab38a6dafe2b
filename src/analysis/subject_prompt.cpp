#include <onemask/analysis/subject_prompt.hpp>
#include <onemask/data/prompt.hpp>
#include <onemask/model/positions.hpp>

#include <algorithm>

namespace onemask {

SubjectPrompt make_subject_prompt(Tokenizer const& tokenizer, Fact const& fact, bool leading_space, std::string const& family,
                                  std::int64_t positions) {
  auto const text = fact.question();
  SubjectPrompt prompt{encode_prompt(tokenizer, text, leading_space), 0, 0, {}, {}};
  require_positions_of_fact(fact.case_id, text, prompt.ids.size(), 1, positions);
  auto before = fact.prompt.substr(0, fact.prompt.find("{}"));
  prompt.subject_last = last_token_of(tokenizer, before + fact.subject, prompt.ids.size(), leading_space);
  // The space before a subject belongs to the subject's token.
  before.erase(before.find_last_not_of(' ') + 1);
  auto const first = encode_prompt(tokenizer, before, leading_space && !before.empty()).size();
  prompt.subject_first = std::min(static_cast<std::int64_t>(first), prompt.subject_last);
  auto const published = [&](std::string const& object) {
    auto const spaceless = tokenizer.encode(object);
    return family == "gpt2" || spaceless.empty() ? encode_target(tokenizer, object).front() : spaceless.front();
  };
  prompt.objects = {encode_target(tokenizer, fact.target_true).front(), encode_target(tokenizer, fact.target_new).front()};
  prompt.published_objects = {published(fact.target_true), published(fact.target_new)};
  return prompt;
}

}  // namespace onemask
