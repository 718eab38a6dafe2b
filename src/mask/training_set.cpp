#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/data/prompt.hpp>
#include <onemask/mask/shared_mask.hpp>
#include <onemask/mask/training_set.hpp>
#include <onemask/model/positions.hpp>

#include <algorithm>
#include <optional>

#include <c10/core/GradMode.h>
#include <fmt/core.h>

namespace onemask {
namespace {

/// Facts handled at once while the constants are made, and in a batch of the validation.
constexpr std::size_t facts_at_once = 32;

std::vector<std::vector<std::int64_t>> all_prompts(std::vector<MaskFact> const& facts) {
  std::vector<std::vector<std::int64_t>> rows;
  for (auto const& fact : facts) rows.insert(rows.end(), fact.prompts.begin(), fact.prompts.end());
  return rows;
}

/// One factor of every fact, [facts, rank, size]; undefined where facts have none.
at::Tensor stacked(std::vector<at::Tensor> const& factors) {
  return factors.front().defined() ? stacked_factors(factors) : at::Tensor();
}

at::Tensor on(at::Device device, at::Tensor const& tensor) {
  return tensor.defined() ? tensor.to(device) : tensor;
}

Wanted last_tokens(Layout const& layout) {
  return want(layout, std::vector<std::vector<std::int64_t>>(layout.counts.size(), {-1}));
}

}  // namespace

MaskFact make_mask_fact(Tokenizer const& tokenizer, Fact const& fact, Edit const& edit, bool leading_space,
                        std::int64_t positions) {
  auto const record = fmt::format("The record with case_id {}", fact.case_id);
  MaskFact result{{}, {}, {}, edit.left, edit.right};
  try {
    result.target_true = encode_target(tokenizer, fact.target_true);
    result.target_new = encode_target(tokenizer, fact.target_new);
  } catch (UserError const& e) {
    throw UserError(record + ": " + e.what());
  }
  auto const longest = std::max(result.target_true.size(), result.target_new.size());
  auto const add = [&](std::string const& text) {
    result.prompts.push_back(encode_prompt(tokenizer, text, leading_space));
    require_positions_of_fact(fact.case_id, text, result.prompts.back().size(), longest, positions);
  };
  add(fact.question());
  for (auto const& paraphrase : fact.paraphrase_prompts) add(paraphrase);
  return result;
}

TrainingSet::TrainingSet(CausalLM const& model, int layer, std::vector<MaskFact> const& training,
                         std::vector<MaskFact> const& validation)
    : TrainingSet(model, {layer}, {{&model, training, validation}}) {}

TrainingSet::TrainingSet(CausalLM const& original, std::vector<int> layers, std::vector<MaskedModel> const& models)
    : original_(original), layers_(std::move(layers)) {
  c10::NoGradGuard const no_gradients;
  for (auto const& of : models) {
    models_.push_back({of.model, CachedRows(*of.model, layers_.front(), all_prompts(of.training))});
    add(models_.size() - 1, of.training);
    add_validation(models_.size() - 1, of.validation);
  }
  if (facts_.empty())
    throw UserError("There is no fact with an edit to train a mask on: the split is empty, or all its edits failed.");
}

void TrainingSet::add(std::size_t model, std::vector<MaskFact> const& training) {
  auto const device = original_.device();
  auto const layer = layers_.front();
  std::optional<CachedRows> own;  // rows of the original, where they are other ones
  if (models_[model].model != &original_) own.emplace(original_, layer, all_prompts(training));
  auto const& unedited = own ? *own : models_[model].rows;
  auto const begin = facts_.size();
  std::int64_t row = 0;
  for (auto const& fact : training) {
    invariant(!fact.prompts.empty() && !fact.target_true.empty() && !fact.target_new.empty(), "fact ", facts_.size(),
              " to train a mask on has no prompt, or an object without tokens");
    Entry entry;
    entry.model = model;
    std::vector<std::int64_t> objects;
    for (std::size_t p = 0; p < fact.prompts.size(); ++p) {
      entry.rows.push_back(row++);
      objects.insert(objects.end(), {fact.target_true.front(), fact.target_new.front()});
    }
    entry.left = on(device, fact.left);
    entry.right = on(device, fact.right);
    entry.objects = index_tensor(objects, device).view({-1, 2});
    auto const prompts = std::ssize(fact.prompts);
    entry.weight = at::full({prompts}, 1.0F / static_cast<float>(prompts), at::TensorOptions().dtype(at::kFloat).device(device));
    facts_.push_back(std::move(entry));
  }
  for (auto first = begin; first < facts_.size(); first += facts_at_once) {
    auto const last = std::min(facts_.size(), first + facts_at_once);
    std::vector<std::int64_t> rows;
    std::vector<std::int64_t> counts;
    for (auto f = first; f < last; ++f) {
      rows.insert(rows.end(), facts_[f].rows.begin(), facts_[f].rows.end());
      counts.push_back(static_cast<std::int64_t>(facts_[f].rows.size()));
    }
    auto const batch = unedited.batch(rows);
    auto const wanted = last_tokens(batch.layout);
    Pass const pass(original_, batch.layout);
    auto const top = static_cast<int>(original_.config().layers) - 1;
    auto const hidden = pass.run(layer + 1, top, pass.finish(layer, batch.half), wanted.layout, wanted.tokens);
    auto const references = original_.final_norm(hidden).split_with_sizes(counts);
    for (auto f = first; f < last; ++f) facts_[f].reference = references[f - first];
  }
}

void TrainingSet::add_validation(std::size_t model, std::vector<MaskFact> const& validation) {
  validation_size_ += std::ssize(validation);
  for (std::size_t first = 0; first < validation.size(); first += facts_at_once) {
    std::vector<MaskFact> const some(
        validation.begin() + static_cast<std::ptrdiff_t>(first),
        validation.begin() + static_cast<std::ptrdiff_t>(std::min(validation.size(), first + facts_at_once)));
    std::vector<TwoWayPrompt> prompts;
    std::vector<std::int64_t> edits;
    std::vector<at::Tensor> lefts, rights;
    for (auto const& fact : some) {
      edits.push_back(static_cast<std::int64_t>(prompts.size()));
      prompts.push_back({fact.prompts.front(), fact.target_true, fact.target_new});
      lefts.push_back(on(original_.device(), fact.left));
      rights.push_back(on(original_.device(), fact.right));
    }
    validation_.push_back(
        {model, TwoWayBatch(*models_[model].model, layers_.front(), prompts, edits), stacked(lefts), stacked(rights)});
  }
}

std::vector<std::int64_t> TrainingSet::mask_shape() const {
  auto const weight = original_.projection(layers_.front()).weight;
  return {std::ssize(layers_) * weight.size(0), weight.size(1)};
}

std::unique_ptr<CausalLM> TrainingSet::masked_above(at::Tensor const& mask, std::size_t model) const {
  auto const& edited = *models_[model].model;
  auto const out = edited.config().hidden;
  return edited.with_projections(
      masked_projections(edited, {}, {layers_.begin() + 1, layers_.end()}, mask.narrow(0, out, mask.size(0) - out)));
}

std::vector<std::vector<std::size_t>> TrainingSet::parts_of(std::span<std::size_t const> facts, std::size_t most) const {
  std::vector<std::size_t> sorted(facts.begin(), facts.end());
  auto const model_of = [&](std::size_t fact) { return facts_[fact].model; };
  std::stable_sort(sorted.begin(), sorted.end(), [&](auto a, auto b) { return model_of(a) < model_of(b); });
  std::vector<std::vector<std::size_t>> parts;
  for (auto const fact : sorted) {
    if (parts.empty() || parts.back().size() == most || model_of(parts.back().front()) != model_of(fact)) parts.emplace_back();
    parts.back().push_back(fact);
  }
  return parts;
}

TrainingSet::MicroBatch TrainingSet::micro_batch(std::span<std::size_t const> facts) const {
  std::vector<std::int64_t> rows, fact_of_row;
  std::vector<at::Tensor> lefts, rights, references, objects, weights;
  for (std::size_t i = 0; i < facts.size(); ++i) {
    invariant(facts[i] < facts_.size(), "a batch has fact ", facts[i], " of ", facts_.size());
    auto const& entry = facts_[facts[i]];
    invariant(entry.model == facts_[facts.front()].model, "a batch has facts of two models");
    rows.insert(rows.end(), entry.rows.begin(), entry.rows.end());
    fact_of_row.insert(fact_of_row.end(), entry.rows.size(), static_cast<std::int64_t>(i));
    weights.push_back(entry.weight);
    lefts.push_back(entry.left);
    rights.push_back(entry.right);
    references.push_back(entry.reference);
    objects.push_back(entry.objects);
  }
  auto const model = facts_[facts.front()].model;
  auto batch = models_[model].rows.batch_with_host_layout(rows);
  auto last = last_tokens(batch.layout);
  auto edit = index_tensor(fact_of_row, at::kCPU).index_select(0, batch.layout.row);
  IndexMove().add(batch.layout).add(last.layout).add(last.tokens).add(edit).to(original_.device());
  invariant(batch.layout.counts.size() == rows.size() && last.tokens.numel() == std::ssize(rows), "a batch of ", rows.size(),
            " prompts has ", batch.layout.counts.size(), " rows");
  return {model,           std::move(batch),    std::move(last),  std::move(edit), stacked(lefts),
          stacked(rights), at::cat(references), at::cat(objects), at::cat(weights)};
}

}  // namespace onemask
