#include "support/tiny_model.hpp"
#include <onemask/model/two_way.hpp>

#include <algorithm>
#include <map>

#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using Ids = std::vector<std::int64_t>;

/// Edits of layer 0, so that a layer is patched at all tokens and the last one at the tokens that are read.
class PatchedTwoWay : public testing::TestWithParam<char const*> {
 protected:
  static std::vector<TwoWayBatch::Scores> patched(TwoWayBatch const& batch, std::vector<BatchModel> const& models,
                                                  std::vector<PatchedModel> const& all) {
    std::vector<TwoWayBatch::Scores> scores(all.size());
    batch.score_patched(models, all, [&](std::size_t place, auto found) { scores.at(place) = std::move(found); });
    return scores;
  }
  static void expect_equal(TwoWayBatch::Scores const& a, TwoWayBatch::Scores const& b) {
    EXPECT_TRUE(at::equal(a.log_probabilities, b.log_probabilities));
    EXPECT_TRUE(at::equal(a.lp_true, b.lp_true));
    EXPECT_TRUE(at::equal(a.lp_new, b.lp_new));
    EXPECT_TRUE(at::equal(a.acc_true, b.acc_true));
    EXPECT_TRUE(at::equal(a.acc_new, b.acc_new));
  }

  /// log P of the token after `row`, one row in a pass, with the patched entries put in one by one.
  at::Tensor next(Ids const& row, TwoWayPrompt const& prompt, at::Tensor const& weight, at::Tensor const& other,
                  PatchedModel const& how) const {
    auto const packed = pack_rows({row}, at::kCPU);
    Pass const pass(*model_, packed.layout);
    auto const half = pass.halfway(0, pass.embed(packed.ids));
    auto const after = [&](at::Tensor const& w) { return half.residual + at::linear(half.key, w, projection_.bias); };
    auto mine = after(weight), unpatched = mine, theirs = after(other);
    auto const last = std::ssize(prompt.prompt) - 1;
    for (int layer : {1, 2}) {
      auto const given = pass.attention(layer, theirs);
      auto used = pass.attention(layer, unpatched).clone();
      for (std::int64_t head = 0; head < used.size(1); ++head) {
        for (std::int64_t query = 0; query < used.size(2); ++query) {
          bool const wanted = !(how.last_query || how.subject) || query == last;
          if (!wanted || (how.subject && prompt.subject < 0)) continue;
          auto const row_of = used[0][head][query];
          if (!how.subject) {
            row_of.copy_(given[0][head][query]);
            continue;
          }
          auto const a = given[0][head][query][prompt.subject].item<double>();
          auto const b = row_of[prompt.subject].item<double>();
          row_of.mul_((1 - a) / (1 - b));
          row_of[prompt.subject].fill_(a);
          EXPECT_NEAR(row_of.sum().item<double>(), 1, 1e-5);
        }
      }
      theirs = pass.run(layer, layer, theirs), unpatched = pass.run(layer, layer, unpatched);
      mine = pass.finish(layer, pass.halfway_with(layer, mine, used));
    }
    return at::log_softmax(model_->logits(model_->final_norm(mine)), -1)[-1];
  }

  double object(TwoWayPrompt const& prompt, Ids const& target, at::Tensor const& weight, at::Tensor const& other,
                PatchedModel const& how) const {
    auto row = prompt.prompt;
    double sum = 0;
    for (auto const token : target) {
      sum += next(row, prompt, weight, other, how)[token].item<double>();
      row.push_back(token);
    }
    return sum;
  }

  c10::NoGradGuard const no_gradients_;
  std::unique_ptr<CausalLM> const model_ = GetParam() == std::string("gpt2") ? tiny_gpt2().load() : tiny_llama().load();
  Projection const projection_ = model_->projection(0);
  /// Objects of one token and of several; subjects at the beginning, in the middle and at the end, and none.
  std::vector<TwoWayPrompt> const prompts_{
      {random_ids(5, 1), {65}, {66}, 2},         {random_ids(4, 2), {65, 70}, {66}, 3},
      {random_ids(8, 3), {65}, {66, 67, 68}, 1}, {random_ids(3, 4), {70, 71, 72}, {70, 71}, 1},
      {random_ids(6, 5), {65, 66}, {65}},        {random_ids(2, 6), {90}, {91}, 0}};
  Ids const edit_of_prompt_{1, 0, 2, 1, 1, 0};
  TwoWayBatch const batch_{*model_, 0, prompts_, edit_of_prompt_, true};
  std::int64_t const out_ = projection_.weight.size(0), in_ = projection_.weight.size(1);
  at::Tensor const left_ = random_tensor({3, 1, out_}, 10), right_ = random_tensor({3, 1, in_}, 11, 0.5);
  at::Tensor const mask_ = random_tensor({out_, in_}, 12).gt(-1).to(at::kFloat);
  BatchModel const original_{}, edited_{{left_, right_, {}}, nullptr}, masked_{{left_, right_, mask_}, nullptr};
};

INSTANTIATE_TEST_SUITE_P(Families, PatchedTwoWay, testing::Values("gpt2", "llama"));

TEST_P(PatchedTwoWay, AModelsOwnAttentionChangesNoBit) {
  std::vector<BatchModel> const models{original_, edited_, masked_};
  for (std::size_t m = 0; m < models.size(); ++m) {
    auto const own = batch_.score(models[m].change);
    for (auto const& scores : patched(batch_, models, {{m, m}, {m, m, true}, {m, m, true, true}})) expect_equal(scores, own);
  }
}

TEST_P(PatchedTwoWay, EveryRowByItself) {
  std::vector<BatchModel> const models{original_, edited_, masked_};
  auto const dense = [&](std::size_t model, std::size_t prompt) {
    auto const e = edit_of_prompt_[prompt];
    auto const& change = models[model].change;
    auto weight = projection_.weight;
    if (change.left.defined()) weight = weight + at::outer(left_[e][0], right_[e][0]);
    return change.mask.defined() ? weight * change.mask : weight;
  };
  std::vector<PatchedModel> all;
  for (auto const& [model, attention] : std::vector<std::pair<std::size_t, std::size_t>>{{0, 1}, {1, 0}, {2, 1}, {1, 2}}) {
    for (bool const last : {false, true}) all.push_back({model, attention, last});
    all.push_back({model, attention, true, true});
  }
  auto const scores = patched(batch_, models, all);
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto const before = batch_.score(models[all[i].model].change);
    for (std::size_t p = 0; p < prompts_.size(); ++p) {
      auto const at = static_cast<std::int64_t>(p);
      SCOPED_TRACE(testing::Message() << "patch " << i << ", prompt " << p);
      auto const weight = dense(all[i].model, p), other = dense(all[i].attention, p);
      auto const& prompt = prompts_[p];
      auto const& found = scores[i].log_probabilities[at];
      EXPECT_LT(largest_difference(found, next(prompt.prompt, prompt, weight, other, all[i])), 1e-4);
      EXPECT_NEAR(scores[i].lp_true[at].item<double>(), object(prompt, prompt.target_true, weight, other, all[i]), 1e-4);
      EXPECT_NEAR(scores[i].lp_new[at].item<double>(), object(prompt, prompt.target_new, weight, other, all[i]), 1e-4);
      bool const changes = !all[i].subject || prompt.subject >= 0;
      EXPECT_EQ(largest_difference(found, before.log_probabilities[at]) > 1e-4, changes);
    }
    // Alone it comes out as beside others.
    expect_equal(patched(batch_, models, {all[i]}).front(), scores[i]);
  }
}

TEST_P(PatchedTwoWay, ModelsOfTheirOwnAreTheSameAsChanges) {
  // One edit for all prompts, as a change and as a matrix.
  TwoWayBatch const batch(*model_, 0, prompts_, Ids(prompts_.size()), true);
  auto const weight = projection_.weight + at::outer(left_[0][0], right_[0][0]);
  auto const model = model_->with_projections({{0, weight}});
  BatchModel const as_matrix{{}, model.get()}, as_change{{left_, right_, {}}, nullptr};
  std::vector<PatchedModel> const both{{0, 1}, {1, 0, true, true}};
  auto const of_matrix = patched(batch, {as_matrix, original_}, both), of_change = patched(batch, {as_change, original_}, both);
  for (std::size_t i = 0; i < both.size(); ++i)
    EXPECT_LT(largest_difference(of_matrix[i].log_probabilities, of_change[i].log_probabilities), 1e-4);
}

TEST_P(PatchedTwoWay, AboveTheLastLayerNothingIsPatched) {
  TwoWayBatch const batch(*model_, 2, prompts_, edit_of_prompt_, true);
  expect_equal(patched(batch, {original_, edited_}, {{1, 0}}).front(), batch.score(edited_.change));
}

}  // namespace
}  // namespace onemask::test
