#include "eval/edited_products.hpp"
#include "eval/generation.hpp"
#include "eval/patched_scores.hpp"
#include "eval/row_columns.hpp"
#include "eval/top_tokens.hpp"
#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/data/fact_prompts.hpp>
#include <onemask/data/prompt.hpp>
#include <onemask/eval/metrics.hpp>
#include <onemask/mask/baselines.hpp>
#include <onemask/model/positions.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include <c10/core/GradMode.h>

namespace onemask {
namespace {

/// The prompts of some facts, and what comparing them needs.
struct Batch {
  std::vector<TwoWayPrompt> prompts;
  std::vector<std::int64_t> edit;     ///< of each prompt
  std::vector<EvaluationFact> facts;  ///< of each prompt
  std::vector<std::int64_t> numbers;  ///< place of each prompt in its fact
  std::vector<PromptKind> kinds;      ///< of each prompt
  at::Tensor first_true, first_new;   ///< [prompts, 1] first tokens of the objects, on the model's device
  at::Tensor left, right;
  std::vector<std::size_t> edited;  ///< the rewrite prompt of every edit
};

/// [prompts, 1] on the host
at::Tensor first_tokens(std::vector<TwoWayPrompt> const& prompts, std::vector<std::int64_t> TwoWayPrompt::*target) {
  std::vector<std::int64_t> tokens;
  for (auto const& prompt : prompts) tokens.push_back((prompt.*target).front());
  return index_tensor(tokens, at::kCPU).unsqueeze(1);
}

Batch make_batch(Tokenizer const& tokenizer, std::vector<EvaluationFact> const& facts, EvaluationOptions const& options,
                 bool edited, CausalLM const& model) {
  Batch batch;
  std::vector<at::Tensor> lefts, rights;
  for (auto const& item : facts) {
    if (edited && item.edit == nullptr) continue;
    auto const& fact = *item.fact;
    auto const add = [&](std::string const& text, PromptKind kind) {
      TwoWayPrompt prompt{encode_prompt(tokenizer, text, options.leading_space), encode_target(tokenizer, fact.target_true),
                          encode_target(tokenizer, fact.target_new)};
      if (auto const end = subject_end(fact, kind, text))
        prompt.subject = last_token_of(tokenizer, text.substr(0, *end), prompt.prompt.size(), options.leading_space);
      require_positions_of_fact(fact.case_id, text, prompt.prompt.size(),
                                std::max(prompt.target_true.size(), prompt.target_new.size()), model.config().positions);
      batch.numbers.push_back(batch.facts.empty() || batch.facts.back().index != item.index ? 0 : batch.numbers.back() + 1);
      batch.prompts.push_back(std::move(prompt));
      batch.kinds.push_back(kind);
      batch.edit.push_back(static_cast<std::int64_t>(lefts.size()));
      batch.facts.push_back(item);
    };
    for (auto const kind : options.kinds) {
      for (auto const& text : fact_prompts(fact, kind)) add(text, kind);
    }
    if (edited && item.edit->left.defined()) {
      batch.edited.push_back(
          static_cast<std::size_t>(std::find(batch.edit.begin(), batch.edit.end(), std::ssize(lefts)) - batch.edit.begin()));
      lefts.push_back(item.edit->left);
      rights.push_back(item.edit->right);
    }
  }
  invariant(batch.edit.size() == batch.prompts.size() && batch.facts.size() == batch.prompts.size(), "of ", batch.prompts.size(),
            " prompts, ", batch.edit.size(), " have an edit");
  if (!lefts.empty()) {
    batch.left = stacked_factors(lefts).to(model.device());
    batch.right = stacked_factors(rights).to(model.device());
  }
  batch.first_true = first_tokens(batch.prompts, &TwoWayPrompt::target_true);
  batch.first_new = first_tokens(batch.prompts, &TwoWayPrompt::target_new);
  IndexMove().add(batch.first_true).add(batch.first_new).to(model.device());
  return batch;
}

/// Place of each prompt's token [prompts, 1] in its distribution, from 1: one more than the number of likelier tokens; -1 where
/// there is none.
at::Tensor ranks(at::Tensor const& table, at::Tensor const& tokens) {
  auto const own = table.gather(1, tokens);
  return (table > own).sum(1, true).add(1).masked_fill(own.isnan(), -1);
}

void compare(Tokenizer const& tokenizer, Batch const& batch, TwoWayBatch::Scores const& original, TopTokens const& original_top,
             TwoWayBatch::Scores const& scores, std::int64_t condition, bool compare_texts, std::vector<PromptMetrics>& rows) {
  auto const& base = original.log_probabilities;
  auto const& table = scores.log_probabilities;
  auto const kl_on_device = (base.exp() * (base - table)).sum(1, true, at::kDouble);
  // All numbers of a prompt side by side, as doubles, which hold the integers: one copy to the host.
  auto const numbers = at::cat({kl_on_device, ranks(table, batch.first_true).to(at::kDouble),
                                ranks(table, batch.first_new).to(at::kDouble), TopTokens::likeliest(table).to(at::kDouble)},
                               1)
                           .to(at::kCPU);
  auto const kl = numbers.select(1, 0);
  auto const integers_of_prompts = numbers.narrow(1, 1, numbers.size(1) - 1).to(at::kLong);
  auto const rank_true = integers_of_prompts.select(1, 0), rank_new = integers_of_prompts.select(1, 1);
  TopTokens const top(integers_of_prompts.narrow(1, 2, integers_of_prompts.size(1) - 2));
  auto const count = std::ssize(batch.prompts);
  invariant(table.size(0) == count && table.sizes() == base.sizes(), "there are distributions of ", table.size(0), " prompts of ",
            count);
  invariant(scores.lp_true.numel() == count && scores.lp_new.numel() == count, "there are ", scores.lp_true.numel(),
            " scores of ", count, " prompts");
  for (std::size_t i = 0; i < batch.prompts.size(); ++i) {
    auto const p = static_cast<std::int64_t>(i);
    PromptMetrics row{batch.facts[i].index,
                      condition,
                      batch.numbers[i],
                      batch.kinds[i],
                      std::ssize(batch.prompts[i].target_true),
                      std::ssize(batch.prompts[i].target_new),
                      scores.lp_true[p].item<double>(),
                      scores.lp_new[p].item<double>(),
                      kl[p].item<double>(),
                      rank_true[p].item<std::int64_t>(),
                      rank_new[p].item<std::int64_t>(),
                      top.token(p, 0),
                      top.token(p, 0) != original_top.token(p, 0),
                      0,
                      0,
                      0};
    if (compare_texts) {
      auto const texts = top.texts(tokenizer, p), original_texts = original_top.texts(tokenizer, p);
      row.rank_true = text_rank(texts, batch.facts[i].fact->target_true);
      row.rank_new = text_rank(texts, batch.facts[i].fact->target_new);
      row.overlap5 = text_overlap(original_texts, texts, 5);
      row.overlap10 = text_overlap(original_texts, texts, 10);
      row.overlap100 = text_overlap(original_texts, texts, 100);
    } else {
      row.overlap5 = original_top.overlap(top, p, 5);
      row.overlap10 = original_top.overlap(top, p, 10);
      row.overlap100 = original_top.overlap(top, p, 100);
    }
    if (scores.acc_true.defined()) {
      row.acc_true = scores.acc_true[p].item<double>();
      row.acc_new = scores.acc_new[p].item<double>();
    }
    rows.push_back(row);
  }
}

using Integers = std::array<std::int64_t PromptMetrics::*, 9>;
using Doubles = std::array<double PromptMetrics::*, 6>;
constexpr Integers integers{&PromptMetrics::fact,        &PromptMetrics::condition,  &PromptMetrics::prompt,
                            &PromptMetrics::tokens_true, &PromptMetrics::tokens_new, &PromptMetrics::rank_true,
                            &PromptMetrics::rank_new,    &PromptMetrics::top1,       &PromptMetrics::top1_changed};
constexpr std::array<double PromptMetrics::*, 2> accuracies{&PromptMetrics::acc_true, &PromptMetrics::acc_new};
constexpr std::array<double PromptMetrics::*, 3> generations{&PromptMetrics::gen_true, &PromptMetrics::gen_new,
                                                             &PromptMetrics::entropy};
constexpr Doubles doubles{&PromptMetrics::lp_true,  &PromptMetrics::lp_new,    &PromptMetrics::kl,
                          &PromptMetrics::overlap5, &PromptMetrics::overlap10, &PromptMetrics::overlap100};

}  // namespace

/// Facts scored together. Where an edit failed, the edited conditions have fewer facts than the others: then there are two parts.
struct FactScorer::Part {
  bool unedited, edited;  ///< whether conditions of the kind are scored here
  Batch batch;
  TwoWayBatch prompts;
  TwoWayBatch::Scores original;
  TopTokens original_top;
  std::optional<FactGenerator> generator;
};

namespace {

/// The edited facts of a batch, whose edits are numbered in their order.
std::vector<EditedFact> edited_facts(Batch const& batch) {
  std::vector<EditedFact> facts;
  for (auto const rewrite : batch.edited) facts.push_back({batch.facts[rewrite].fact->case_id, rewrite});
  return facts;
}

/// The rewrite prompts of a batch, and what they are continued as; nothing where nothing is generated.
std::optional<FactGenerator> make_generator(CausalLM const& model, Tokenizer const& tokenizer, int layer, Batch const& batch,
                                            EvaluationOptions const& options) {
  if (options.generate == 0 && options.entropy == 0) return std::nullopt;
  std::vector<Fact const*> facts;
  std::vector<std::int64_t> edits;
  for (std::size_t i = 0; i < batch.prompts.size(); ++i) {
    if (batch.kinds[i] != PromptKind::rewrite) continue;
    facts.push_back(batch.facts[i].fact);
    edits.push_back(batch.edit[i]);
  }
  return std::optional<FactGenerator>(std::in_place, model, tokenizer, layer, std::move(facts), edits, options);
}

/// Puts the scores into the rows of the rewrite prompts, from `first` on, which have the order of the facts.
void put(std::vector<GenerationScores> const& scores, std::size_t first, std::vector<PromptMetrics>& rows) {
  auto next = scores.begin();
  for (auto i = first; i < rows.size(); ++i) {
    if (rows[i].kind != PromptKind::rewrite) continue;
    rows[i].gen_true = next->gen_true, rows[i].gen_new = next->gen_new, rows[i].entropy = next->entropy;
    ++next;
  }
}

}  // namespace

FactScorer::~FactScorer() = default;
FactScorer::FactScorer(FactScorer&&) noexcept = default;
FactScorer& FactScorer::operator=(FactScorer&&) noexcept = default;

FactScorer::FactScorer(CausalLM const& model, Tokenizer const& tokenizer, int layer, std::vector<EvaluationFact> const& facts,
                       EvaluationOptions const& options)
    : model_(&model), tokenizer_(&tokenizer), layer_(layer), compare_texts_(options.compare_texts) {
  c10::NoGradGuard const no_gradients;
  auto const add = [&](bool unedited, bool edited) {
    auto batch = make_batch(tokenizer, facts, options, edited, model);
    if (batch.prompts.empty()) return;
    TwoWayBatch prompts(model, layer, batch.prompts, batch.edit, options.token_accuracy);
    auto original = prompts.score({});
    TopTokens const original_top(TopTokens::likeliest(original.log_probabilities).to(at::kCPU));
    auto generator = make_generator(model, tokenizer, layer, batch, options);
    parts_.push_back(
        {unedited, edited, std::move(batch), std::move(prompts), std::move(original), original_top, std::move(generator)});
  };
  if (std::all_of(facts.begin(), facts.end(), [](auto const& item) { return item.edit != nullptr; })) {
    add(true, true);
  } else {
    add(true, false);
    add(false, true);
  }
}

std::vector<PromptMetrics> FactScorer::score(std::vector<Condition> const& conditions) const {
  c10::NoGradGuard const no_gradients;
  std::vector<PromptMetrics> rows;
  for (auto const& part : parts_) {
    auto const facts = edited_facts(part.batch);
    EditedProducts products(*model_, layer_, part.prompts, part.batch.left, part.batch.right, facts);
    for (std::size_t c = 0; c < conditions.size(); ++c) {
      auto const& condition = conditions[c];
      if (condition.patch || (condition.edited ? !part.edited : !part.unedited)) continue;
      auto const mask = condition.keep.defined() ? condition.keep.to(model_->device(), model_->dtype()) : at::Tensor();
      bool const masks_weight = condition.cover != Cover::delta, masks_edit = condition.cover != Cover::weight;
      auto const shared = condition.shared ? condition.shared() : nullptr;
      auto const score = [&] {
        if (shared) return part.prompts.score({}, *shared);
        if (condition.own) return part.prompts.score_with(products.under(*condition.own));
        if (condition.edited) return part.prompts.score({part.batch.left, part.batch.right, mask, masks_weight, masks_edit});
        return mask.defined() ? part.prompts.score({{}, {}, mask, masks_weight, masks_edit}) : part.original;
      };
      auto const scores = score();
      auto const first = rows.size();
      compare(*tokenizer_, part.batch, part.original, part.original_top, scores, static_cast<std::int64_t>(c), compare_texts_,
              rows);
      if (!part.generator) continue;
      auto const product = [&]() -> ProjectionProduct {
        if (condition.own && !shared) return products.under(*condition.own);
        bool const edited = condition.edited && !shared;
        auto const left = edited ? part.batch.left : at::Tensor(), right = edited ? part.batch.right : at::Tensor();
        auto const own_mask = shared ? at::Tensor() : mask;
        auto projection = (shared ? *shared : *model_).projection(layer_);
        if (own_mask.defined() && masks_weight) projection.weight = projection.weight * own_mask;  // once for all tokens
        return [=](at::Tensor const& key, at::Tensor const& edit) {
          return project(projection, key, {left, right, edit, own_mask, false, masks_edit});
        };
      };
      put(part.generator->scores(product(), shared ? *shared : *model_), first, rows);
    }
    if (part.edited) add_patched(part, conditions, rows);
  }
  return rows;
}

/// In the order of the conditions, whatever they are scored in.
void FactScorer::add_patched(Part const& part, std::vector<Condition> const& conditions, std::vector<PromptMetrics>& rows) const {
  std::map<std::size_t, std::vector<PromptMetrics>> found;
  score_patched(*model_, part.prompts, part.batch.left, part.batch.right, conditions,
                [&](std::size_t place, TwoWayBatch::Scores const& scores) {
                  compare(*tokenizer_, part.batch, part.original, part.original_top, scores, static_cast<std::int64_t>(place),
                          compare_texts_, found[place]);
                });
  for (auto const& [place, of_condition] : found) {
    for (std::size_t i = 0; i < of_condition.size(); ++i) {
      bool const has_entry = conditions[place].patch->at != PatchPlace::subject || part.batch.prompts[i].subject >= 0;
      if (has_entry) rows.push_back(of_condition[i]);
    }
  }
}

std::vector<PromptMetrics> evaluate(CausalLM const& model, Tokenizer const& tokenizer, int layer,
                                    std::vector<EvaluationFact> const& facts, std::vector<Condition> const& conditions,
                                    EvaluationOptions const& options) {
  return FactScorer(model, tokenizer, layer, facts, options).score(conditions);
}

at::Tensor changed_matrix(FactBaseline const& baseline, at::Tensor const& original, at::Tensor const& edited) {
  auto const& what = baseline.what;
  auto const before = original.to(at::kFloat), after = edited.to(at::kFloat);
  if (what.score == BaselineScore::shrink) return (*what.amount * after).to(edited.scalar_type());
  if (what.score == BaselineScore::bottom_rank) {
    auto const spectrum = baseline.spectrum ? baseline.spectrum : std::make_shared<LayerSpectrum const>(after);
    auto const top = spectrum->top(static_cast<std::int64_t>(*what.amount)).to(after.device(), at::kFloat);
    return (after - at::matmul(top, at::matmul(top.t(), after))).to(edited.scalar_type());
  }
  auto const keep = what.score == BaselineScore::random
                        ? random_mask(after.sizes(), baseline.zeros, baseline.seed).to(after.device())
                        : pruning_mask(what.score, before, after, baseline.zeros);
  return filled(what.fill, keep, before, after).to(edited.scalar_type());
}

std::string to_bytes(std::vector<PromptMetrics> const& rows) {
  auto kinds = at::empty({std::ssize(rows)}, at::kLong);
  auto* k = kinds.data_ptr<std::int64_t>();
  for (auto const& row : rows) *k++ = static_cast<std::int64_t>(row.kind);
  std::map<std::string, at::Tensor> tensors{
      {"kinds", kinds}, {"integers", columns_of(rows, integers, at::kLong)}, {"reals", columns_of(rows, doubles, at::kDouble)}};
  bool const accurate = std::any_of(rows.begin(), rows.end(), [](auto const& row) { return !std::isnan(row.acc_true); });
  if (accurate) tensors["accuracies"] = columns_of(rows, accuracies, at::kDouble);
  bool const generated = std::any_of(rows.begin(), rows.end(),
                                     [](auto const& row) { return !std::isnan(row.gen_true) || !std::isnan(row.entropy); });
  if (generated) tensors["generations"] = columns_of(rows, generations, at::kDouble);
  return write_safetensors(tensors, {});
}

std::vector<PromptMetrics> metrics_from_bytes(std::string bytes, std::string const& source) {
  auto const file = SafetensorsFile::parse(std::move(bytes), source);
  auto const kinds = file.tensor("kinds").contiguous();
  bool fits = kinds.dim() == 1 && kinds.scalar_type() == at::kLong;
  std::vector<PromptMetrics> rows(fits ? static_cast<std::size_t>(kinds.size(0)) : 0);
  fits = fits && read_columns(file.tensor("integers"), integers, at::kLong, rows) &&
         read_columns(file.tensor("reals"), doubles, at::kDouble, rows) &&
         (!file.contains("accuracies") || read_columns(file.tensor("accuracies"), accuracies, at::kDouble, rows)) &&
         (!file.contains("generations") || read_columns(file.tensor("generations"), generations, at::kDouble, rows));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto const kind = kinds.data_ptr<std::int64_t>()[i];
    fits = fits && kind >= 0 && kind < std::ssize(prompt_kind_names) && rows[i].tokens_true > 0 && rows[i].tokens_new > 0;
    rows[i].kind = static_cast<PromptKind>(kind);
  }
  if (!fits) throw UserError(source + " does not hold evaluation rows. Delete it; it will be made again.");
  return rows;
}

}  // namespace onemask
