#include <onemask/analysis/causal_trace.hpp>
#include <onemask/core/error.hpp>
#include <onemask/data/fact_prompts.hpp>
#include <onemask/data/prompt.hpp>
#include <onemask/edit/request.hpp>
#include <onemask/model/positions.hpp>
#include <onemask/work/check_facts.hpp>

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

/// The prompts of a fact that some task reads.
std::vector<std::string> prompts_of(SplitFact const& item, Study const& study, std::vector<std::string> const& training) {
  auto evaluation = study.evaluation;
  bool const trained = std::find(training.begin(), training.end(), item.home()) != training.end();
  evaluation.paraphrases = evaluation.paraphrases || trained;
  std::vector<std::string> prompts;
  for (auto const kind : evaluation.kinds()) {
    auto const more = fact_prompts(item.fact, kind);
    prompts.insert(prompts.end(), more.begin(), more.end());
  }
  return prompts;
}

std::size_t longest_object(Fact const& fact, Tokenizer const& tokenizer) {
  try {
    return std::max(encode_target(tokenizer, fact.target_true).size(), encode_target(tokenizer, fact.target_new).size());
  } catch (UserError const& error) {
    throw UserError(fmt::format("The record with case_id {}: {}", fact.case_id, error.what()));
  }
}

}  // namespace

void check_facts(Study const& study, Plan const& plan, Tokenizer const& tokenizer, ModelConfig const& config) {
  std::set<std::pair<ContextTemplates, std::string>> seen;
  std::vector<EditSet const*> sets;  // whose requests differ
  for (auto const& set : plan.sets) {
    if (seen.emplace(set.templates, set.options.hparams.fact_token).second) sets.push_back(&set);
  }
  std::vector<std::string> training;  // splits, on whose paraphrases masks are trained
  for (auto const& mask : plan.masks) {
    bool const known = std::find(training.begin(), training.end(), mask.split) != training.end();
    if (mask.options.paraphrases && !known) training.push_back(mask.split);
  }
  for (auto const& item : plan.facts) {
    if (sets.empty()) break;  // nothing is edited, so nothing is scored
    auto const object = longest_object(item.fact, tokenizer);
    for (auto const& prompt : prompts_of(item, study, training)) {
      auto const tokens = encode_prompt(tokenizer, prompt, study.peer_compatible).size();
      require_positions_of_fact(item.fact.case_id, prompt, tokens, object, config.positions);
    }
    auto const require_continued = [&](std::string const& prompt, int tokens) {
      auto const length = encode_prompt(tokenizer, prompt, study.peer_compatible).size();
      require_positions_of_continuation(item.fact.case_id, prompt, length, tokens, config.positions);
    };
    auto const& evaluation = study.evaluation;
    if (evaluation.generate > 0) require_continued(item.fact.question(), evaluation.generate);
    for (auto const& prompt : item.fact.generation_prompts) {
      if (evaluation.entropy > 0) require_continued(prompt, evaluation.entropy);
    }
    for (auto const* set : sets) make_edit_request(tokenizer, item.fact, set->templates, set->options.hparams, config.positions);
  }
  for (auto const fact : plan.traced) make_trace_prompt(tokenizer, plan.facts[fact].fact, config.positions);
}

}  // namespace onemask
