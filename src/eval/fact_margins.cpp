#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/log.hpp>
#include <onemask/data/prompt.hpp>
#include <onemask/eval/fact_margins.hpp>
#include <onemask/model/positions.hpp>
#include <onemask/model/two_way.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/core.h>

namespace onemask {
namespace {

std::vector<std::int64_t> object_tokens(Tokenizer const& tokenizer, Fact const& fact, std::string const& object) {
  try {
    return encode_target(tokenizer, object);
  } catch (UserError const& error) {
    throw UserError(fmt::format("The record with case_id {}: {}", fact.case_id, error.what()));
  }
}

/// The lesser, or what is not a number.
void lower(double& least, double value) {
  if (value < least || std::isnan(value)) least = value;
}

}  // namespace

std::vector<FactMargins> margins_of(CausalLM const& model, Tokenizer const& tokenizer, std::vector<Fact const*> const& facts,
                                    bool paraphrases, bool leading_space) {
  constexpr auto infinite = std::numeric_limits<double>::infinity(), none = std::numeric_limits<double>::quiet_NaN();
  std::vector<FactMargins> margins(facts.size(), {infinite, infinite});
  std::vector<TwoWayPrompt> prompts;
  std::vector<std::size_t> fact_of;  // of each prompt
  for (std::size_t f = 0; f < facts.size(); ++f) {
    auto const& fact = *facts[f];
    auto const of_true = object_tokens(tokenizer, fact, fact.target_true),
               of_new = object_tokens(tokenizer, fact, fact.target_new);
    std::vector<std::string> texts{fact.question()};
    if (paraphrases) texts.insert(texts.end(), fact.paraphrase_prompts.begin(), fact.paraphrase_prompts.end());
    std::vector<TwoWayPrompt> own;
    auto const fits = [&](TwoWayPrompt const& prompt) {
      return positions_of(prompt.prompt.size(), std::max(of_true.size(), of_new.size())) <= model.config().positions;
    };
    for (auto const& text : texts) own.push_back({encode_prompt(tokenizer, text, leading_space), of_true, of_new});
    if (!std::all_of(own.begin(), own.end(), fits)) {
      log_warning(
          fmt::format("The record with case_id {} has a prompt that is longer than the {} positions of the model. It counts "
                      "as not known.",
                      fact.case_id, model.config().positions));
      margins[f] = {none, none};
      continue;
    }
    for (auto& prompt : own) {
      prompts.push_back(std::move(prompt));
      fact_of.push_back(f);
    }
  }
  if (prompts.empty()) return margins;
  auto const found = TwoWayBatch(model, 0, prompts, std::vector<std::int64_t>(prompts.size())).margins();
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    auto const place = static_cast<std::int64_t>(p);
    lower(margins[fact_of[p]].two_way, found.two_way[place].item<double>());
    lower(margins[fact_of[p]].top1, found.top1[place].item<double>());
  }
  return margins;
}

std::string to_bytes(std::vector<FactMargins> const& margins) {
  auto const values = at::empty({std::ssize(margins), 2}, at::kDouble);
  auto* next = values.data_ptr<double>();
  for (auto const& margin : margins) {
    *next++ = margin.two_way;
    *next++ = margin.top1;
  }
  return write_safetensors({{"margins", values}}, {});
}

std::vector<FactMargins> fact_margins_from_bytes(std::string bytes, std::size_t facts, std::string const& source) {
  auto const values = SafetensorsFile::parse(std::move(bytes), source).tensor("margins").contiguous();
  bool const fits = values.dim() == 2 && values.scalar_type() == at::kDouble && values.size(1) == 2 &&
                    values.size(0) == static_cast<std::int64_t>(facts);
  if (!fits)
    throw UserError(fmt::format("{} does not hold the margins of {} facts. Delete it; it will be made again.", source, facts));
  std::vector<FactMargins> margins;
  auto const* next = values.data_ptr<double>();
  for (std::size_t f = 0; f < facts; ++f, next += 2) margins.push_back({next[0], next[1]});
  return margins;
}

}  // namespace onemask
