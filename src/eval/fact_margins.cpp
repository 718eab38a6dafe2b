#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/core/error.hpp>
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
  std::vector<TwoWayPrompt> prompts;
  std::vector<std::size_t> fact_of;  // of each prompt
  for (std::size_t f = 0; f < facts.size(); ++f) {
    auto const& fact = *facts[f];
    auto const of_true = object_tokens(tokenizer, fact, fact.target_true),
               of_new = object_tokens(tokenizer, fact, fact.target_new);
    auto const add = [&](std::string const& text) {
      auto tokens = encode_prompt(tokenizer, text, leading_space);
      require_positions_of_fact(fact.case_id, text, tokens.size(), std::max(of_true.size(), of_new.size()),
                                model.config().positions);
      prompts.push_back({std::move(tokens), of_true, of_new});
      fact_of.push_back(f);
    };
    add(fact.question());
    if (!paraphrases) continue;
    for (auto const& paraphrase : fact.paraphrase_prompts) add(paraphrase);
  }
  constexpr auto infinite = std::numeric_limits<double>::infinity();
  std::vector<FactMargins> margins(facts.size(), {infinite, infinite});
  if (facts.empty()) return margins;
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
