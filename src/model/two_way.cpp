#include <onemask/core/invariant.hpp>
#include <onemask/model/head_loss.hpp>
#include <onemask/model/two_way.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <c10/core/GradMode.h>

namespace onemask {
namespace {

struct RowPlan {
  std::vector<std::vector<std::int64_t>> rows;
  std::vector<std::vector<std::int64_t>> offsets;  ///< read in each row
  std::vector<std::int64_t> prompt_of_row;
};

/// A token whose log-probability is part of an object's: read at a place, summed into a prompt.
struct TermPlan {
  std::vector<std::int64_t> place, token, prompt;
};

/// prompt + all but the last token of target
std::vector<std::int64_t> joined(std::vector<std::int64_t> prompt, std::vector<std::int64_t> const& target) {
  prompt.insert(prompt.end(), target.begin(), target.end() - 1);
  return prompt;
}

/// Their layout is on the host.
CachedRows::Batch all_rows(CausalLM const& model, int layer, std::vector<std::vector<std::int64_t>> const& rows) {
  CachedRows const cached(model, layer, rows);
  std::vector<std::int64_t> all(rows.size());
  std::iota(all.begin(), all.end(), std::int64_t{0});
  return cached.batch_with_host_layout(all);
}

}  // namespace

TwoWayBatch::TwoWayBatch(CausalLM const& model, int layer, std::vector<TwoWayPrompt> const& prompts,
                         std::vector<std::int64_t> const& edit, bool token_accuracy)
    : model_(model), layer_(layer), prompts_(static_cast<std::int64_t>(prompts.size())), token_accuracy_(token_accuracy) {
  c10::NoGradGuard const no_gradients;
  invariant(!prompts.empty() && edit.size() == prompts.size(), "of ", prompts.size(), " prompts, ", edit.size(), " have an edit");
  RowPlan plan;
  TermPlan of_true, of_new;
  std::vector<std::int64_t> next;
  std::int64_t place = 0;
  auto const add_row = [&](std::size_t prompt, std::vector<std::int64_t> const& target, TermPlan& terms, std::int64_t first) {
    auto const end = static_cast<std::int64_t>(prompts[prompt].prompt.size());
    plan.rows.push_back(joined(prompts[prompt].prompt, target));
    plan.prompt_of_row.push_back(static_cast<std::int64_t>(prompt));
    plan.offsets.emplace_back();
    for (auto k = first; k < static_cast<std::int64_t>(target.size()); ++k) {
      plan.offsets.back().push_back(end - 1 + k);
      terms.place.push_back(place++);
      terms.token.push_back(target[static_cast<std::size_t>(k)]);
      terms.prompt.push_back(static_cast<std::int64_t>(prompt));
    }
  };
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    auto const row = plan.rows.size();
    next.push_back(place);
    of_new.place.push_back(place);
    of_new.token.push_back(prompts[p].target_new.front());
    of_new.prompt.push_back(static_cast<std::int64_t>(p));
    add_row(p, prompts[p].target_true, of_true, 0);
    if (prompts[p].target_new.size() > 1) add_row(p, prompts[p].target_new, of_new, 1);
    Span span{spans_.empty() ? 0 : spans_.back().first + spans_.back().tokens, std::ssize(prompts[p].prompt)};
    for (auto r = row; r < plan.rows.size(); ++r) span.tokens += std::ssize(plan.rows[r]);
    spans_.push_back(span);
  }
  rows_ = all_rows(model, layer, plan.rows);
  read_ = want(rows_.layout, plan.offsets);
  invariant(rows_.layout.counts.size() == plan.rows.size() && read_.tokens.numel() == place, "of ", plan.rows.size(),
            " prompts with objects, ", read_.tokens.numel(), " tokens are read instead of ", place);
  std::vector<std::int64_t> edit_of_row, last, subject;
  for (auto const number : plan.prompt_of_row) {
    auto const& prompt = prompts[static_cast<std::size_t>(number)];
    edit_of_row.push_back(edit[static_cast<std::size_t>(number)]);
    last.push_back(std::ssize(prompt.prompt) - 1);
    subject.push_back(prompt.subject);
    invariant(prompt.subject < std::ssize(prompt.prompt), "a subject ends at token ", prompt.subject, " of a prompt of ",
              prompt.prompt.size());
  }
  edit_ = index_tensor(edit_of_row, at::kCPU).index_select(0, rows_.layout.row);
  next_ = index_tensor(next, at::kCPU);
  last_ = index_tensor(last, at::kCPU);
  subject_ = index_tensor(subject, at::kCPU);
  IndexMove move;
  move.add(rows_.layout).add(read_.layout).add(read_.tokens).add(edit_).add(next_).add(last_).add(subject_);
  auto const take = [&](TermPlan const& planned, Terms& terms) {
    terms = {index_tensor(planned.place, at::kCPU), index_tensor(planned.token, at::kCPU),
             index_tensor(planned.prompt, at::kCPU)};
    move.add(terms.place).add(terms.token).add(terms.prompt);
  };
  prompts_of_true_ = of_true.prompt;
  take(of_true, true_);
  take(of_new, new_);
  move.to(model.device());
}

/// Values of terms, added by prompt.
at::Tensor TwoWayBatch::added(at::Tensor const& values, Terms const& terms) const {
  return at::zeros({prompts_}, values.options()).index_add(0, terms.prompt, values);
}

at::Tensor TwoWayBatch::sum(at::Tensor const& table, Terms const& terms) const {
  return added(table.index({terms.place, terms.token}).to(at::kDouble), terms);
}

/// `most` is the largest log-probability of each place.
at::Tensor TwoWayBatch::accuracy(at::Tensor const& table, at::Tensor const& most, Terms const& terms) const {
  auto const best = most.index_select(0, terms.place);
  auto const hits = table.index({terms.place, terms.token})
                        .eq(best)
                        .to(at::kDouble)
                        .masked_fill(best.isnan(), std::numeric_limits<double>::quiet_NaN());
  return added(hits, terms) / added(at::ones_like(hits), terms);
}

at::Tensor TwoWayBatch::distributions(at::Tensor const& residual, CausalLM const& model) const {
  auto table = log_probabilities(model, model.final_norm(residual));
  invariant(table.size(0) == read_.tokens.numel(), table.size(0), " distributions were made for ", read_.tokens.numel(),
            " tokens");
  return table;
}

at::Tensor TwoWayBatch::table(at::Tensor const& projected, CausalLM const& model) const {
  Pass const pass(model, rows_.layout);
  auto const residual = pass.finish_with(layer_, rows_.half, projected);
  auto const last = static_cast<int>(model.config().layers) - 1;
  return distributions(pass.run(layer_ + 1, last, residual, read_.layout, read_.tokens), model);
}

at::Tensor TwoWayBatch::projected(EditedProjection const& change, CausalLM const& model) const {
  return project(model.projection(layer_), rows_.half.key,
                 {change.left, change.right, edit_, change.mask, change.masks_weight, change.masks_edit});
}

TwoWayBatch::Scores TwoWayBatch::scores_of(at::Tensor const& read) const {
  auto const sums = at::stack({sum(read, true_), sum(read, new_)}).to(at::kCPU);
  Scores scores{read.index_select(0, next_), sums[0], sums[1], {}, {}};
  if (!token_accuracy_) return scores;
  auto const most = read.amax(1);
  auto const shares = at::stack({accuracy(read, most, true_), accuracy(read, most, new_)}).to(at::kCPU);
  scores.acc_true = shares[0], scores.acc_new = shares[1];
  return scores;
}

TwoWayBatch::Scores TwoWayBatch::score(EditedProjection const& change, CausalLM const& model) const {
  c10::NoGradGuard const no_gradients;
  return scores_of(table(projected(change, model), model));
}

TwoWayBatch::Scores TwoWayBatch::score_with(ProjectionProduct const& product) const {
  c10::NoGradGuard const no_gradients;
  return scores_of(table(product(rows_.half.key, edit_), model_));
}

at::Tensor TwoWayBatch::gradient(ProjectionProduct const& product) const {
  at::Tensor projected;
  {
    c10::NoGradGuard const no_gradients;
    projected = product(rows_.half.key, edit_);
  }
  c10::AutoGradMode const with_gradients(true);
  projected = projected.detach().requires_grad_(true);
  auto const read = table(projected, model_);
  (read.index({new_.place, new_.token}).sum() - read.index({true_.place, true_.token}).sum()).backward();
  return projected.grad();
}

TwoWayBatch::Margins TwoWayBatch::margins() const {
  c10::NoGradGuard const no_gradients;
  auto const read = table(projected({}, model_), model_);
  auto const [likeliest, tokens] = read.topk(std::min<std::int64_t>(2, read.size(1)));
  auto const first = likeliest.select(1, 0).index_select(0, true_.place);
  auto const second = likeliest.select(1, likeliest.size(1) - 1).index_select(0, true_.place);
  auto const is_first = tokens.select(1, 0).index_select(0, true_.place).eq(true_.token);
  auto const own = read.index({true_.place, true_.token}).to(at::kDouble);
  auto const leads = own - at::where(is_first, second, first).to(at::kDouble);
  auto const numbers = at::cat({sum(read, true_) - sum(read, new_), leads}).to(at::kCPU);
  auto top1 = at::full({prompts_}, std::numeric_limits<double>::infinity(), at::kDouble);
  auto const* lead = numbers.data_ptr<double>() + prompts_;
  auto* least = top1.data_ptr<double>();
  for (auto const prompt : prompts_of_true_) {
    if (*lead < least[prompt] || std::isnan(*lead)) least[prompt] = *lead;
    ++lead;
  }
  return {numbers.narrow(0, 0, prompts_), top1};
}

}  // namespace onemask
