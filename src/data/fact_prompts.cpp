#include <onemask/data/fact_prompts.hpp>

#include <stdexcept>

namespace onemask {
namespace {

constexpr int repetitions = 5;

}  // namespace

std::vector<std::string> fact_prompts(Fact const& fact, PromptKind kind) {
  switch (kind) {
    case PromptKind::rewrite:
      return {fact.question()};
    case PromptKind::paraphrase:
      return fact.paraphrase_prompts;
    case PromptKind::neighborhood:
      return fact.neighborhood_prompts;
    case PromptKind::attribute:
      return fact.attribute_prompts;
    case PromptKind::distract: {
      auto prompts = fact.neighborhood_prompts;
      for (auto& prompt : prompts) prompt = fact.question() + " " + fact.target_new + ". " + prompt;
      return prompts;
    }
    case PromptKind::rep: {
      std::string prompt;
      for (int i = 0; i < repetitions; ++i) prompt += fact.target_true + ". ";
      return {prompt + fact.question()};
    }
    case PromptKind::que:
      return {fact.question() + " " + fact.target_true + "? " + fact.question()};
  }
  throw std::logic_error("a prompt of no kind");
}

std::optional<std::size_t> subject_end(Fact const& fact, PromptKind kind, std::string const& prompt) {
  if (!asks_own_object(kind)) return std::nullopt;
  // All but paraphrases end with the rewrite prompt, whose template says where the subject stands.
  auto const begin = kind == PromptKind::paraphrase ? prompt.rfind(fact.subject)
                                                    : prompt.size() - fact.question().size() + fact.prompt.find("{}");
  return begin == std::string::npos ? std::nullopt : std::optional(begin + fact.subject.size());
}

std::size_t count_prompts(Fact const& fact, PromptKind kind) {
  switch (kind) {
    case PromptKind::paraphrase:
      return fact.paraphrase_prompts.size();
    case PromptKind::neighborhood:
    case PromptKind::distract:
      return fact.neighborhood_prompts.size();
    case PromptKind::attribute:
      return fact.attribute_prompts.size();
    default:
      return 1;
  }
}

}  // namespace onemask
