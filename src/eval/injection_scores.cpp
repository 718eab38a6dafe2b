#include "eval/row_columns.hpp"
#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/data/prompt.hpp>
#include <onemask/eval/injection_scores.hpp>
#include <onemask/model/positions.hpp>

#include <algorithm>
#include <array>
#include <numeric>

namespace onemask {
namespace {

std::vector<TwoWayPrompt> rewrite_prompts(Tokenizer const& tokenizer, std::vector<Fact const*> const& facts, bool leading_space,
                                          std::int64_t positions) {
  std::vector<TwoWayPrompt> prompts;
  for (auto const* fact : facts) {
    auto const text = fact->question();
    prompts.push_back({encode_prompt(tokenizer, text, leading_space), encode_target(tokenizer, fact->target_true),
                       encode_target(tokenizer, fact->target_new)});
    auto const& prompt = prompts.back();
    require_positions_of_fact(fact->case_id, text, prompt.prompt.size(),
                              std::max(prompt.target_true.size(), prompt.target_new.size()), positions);
  }
  return prompts;
}

/// 0, 1, 2, …
std::vector<std::int64_t> own_edits(std::size_t facts) {
  std::vector<std::int64_t> edits(facts);
  std::iota(edits.begin(), edits.end(), std::int64_t{0});
  return edits;
}

/// One factor of every edit, [edits, 1, size]; zeros of failed ones.
at::Tensor factors(std::vector<Edit> const& edits, at::Tensor Edit::*member, std::int64_t size) {
  std::vector<at::Tensor> all;
  for (auto const& edit : edits) all.push_back(edit.failure.empty() ? edit.*member : at::zeros({1, size}));
  return stacked_factors(all);
}

constexpr std::array whole_members{&InjectionScore::fact, &InjectionScore::variant, &InjectionScore::tokens_true,
                                   &InjectionScore::tokens_new};
constexpr std::array real_members{&InjectionScore::lp_true, &InjectionScore::lp_new, &InjectionScore::token_accuracy,
                                  &InjectionScore::update_norm};

}  // namespace

RewritePrompts::RewritePrompts(CausalLM const& model, Tokenizer const& tokenizer, int layer,
                               std::vector<Fact const*> const& facts, bool leading_space)
    : model_(model),
      prompts_(rewrite_prompts(tokenizer, facts, leading_space, model.config().positions)),
      batch_(model, layer, prompts_, own_edits(facts.size()), /*token_accuracy=*/true) {}

std::vector<InjectionScore> RewritePrompts::rows(EditedProjection const& change, CausalLM const& model) const {
  auto const found = batch_.score(change, model);
  std::vector<InjectionScore> rows;
  for (std::size_t f = 0; f < prompts_.size(); ++f) {
    auto const place = static_cast<std::int64_t>(f);
    auto const& prompt = prompts_[f];
    rows.push_back({place, 0, std::ssize(prompt.target_true), std::ssize(prompt.target_new), found.lp_true[place].item<double>(),
                    found.lp_new[place].item<double>(), found.acc_new[place].item<double>(), 0});
  }
  return rows;
}

std::vector<InjectionScore> RewritePrompts::score(std::vector<Edit> const& edits, std::vector<double> const& norms,
                                                  at::Tensor const& mask) const {
  invariant(edits.size() == prompts_.size() && norms.size() == edits.size(), "of ", prompts_.size(), " facts, ", edits.size(),
            " have an edit");
  auto const device = model_.device();
  auto const& config = model_.config();
  EditedProjection const change{factors(edits, &Edit::left, config.hidden).to(device),
                                factors(edits, &Edit::right, config.inner).to(device),
                                mask.defined() ? mask.to(device, model_.dtype()) : at::Tensor()};
  auto all = rows(change, model_);
  for (std::size_t f = 0; f < edits.size(); ++f) all[f].update_norm = norms[f];
  std::erase_if(all, [&](auto const& row) { return !edits[static_cast<std::size_t>(row.fact)].failure.empty(); });
  return all;
}

std::string to_bytes(std::vector<InjectionScore> const& rows) {
  return write_safetensors(
      {{"integers", columns_of(rows, whole_members, at::kLong)}, {"reals", columns_of(rows, real_members, at::kDouble)}}, {});
}

std::vector<InjectionScore> injection_scores_from_bytes(std::string bytes, std::string const& source) {
  auto const file = SafetensorsFile::parse(std::move(bytes), source);
  auto const whole = file.tensor("integers");
  std::vector<InjectionScore> rows(whole.dim() == 2 ? static_cast<std::size_t>(whole.size(0)) : 0);
  bool fits =
      read_columns(whole, whole_members, at::kLong, rows) && read_columns(file.tensor("reals"), real_members, at::kDouble, rows);
  for (auto const& row : rows) fits = fits && row.fact >= 0 && row.variant >= 0 && row.tokens_true > 0 && row.tokens_new > 0;
  if (!fits) throw UserError(source + " does not hold scores of edits under a mask. Delete it; it will be made again.");
  return rows;
}

}  // namespace onemask
