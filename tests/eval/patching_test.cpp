#include "support/tiny_model.hpp"
#include "support/tiny_tokenizer.hpp"
#include <onemask/eval/metrics.hpp>
#include <onemask/mask/shared_mask.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::ElementsAre;

/// Two facts under a tokenizer of bytes; the second has no edit.
class PatchingTest : public testing::Test {
 protected:
  PatchingTest() {
    write_text(folder_ / "tokenizer.json", tiny_tokenizer({}).dump());
    facts_[0].case_id = 1;
    facts_[0].prompt = "The tongue of {} is";
    facts_[0].subject = "Bo";
    facts_[0].target_true = "Welsh";
    facts_[0].target_new = "Thai";
    facts_[0].paraphrase_prompts = {"Bo, as one knows, speaks", "A man speaks", "Bo? Bo speaks"};
    facts_[0].neighborhood_prompts = {"Bob speaks"};
    facts_[1] = facts_[0];
    facts_[1].case_id = 2;
    facts_[1].subject = "Ann";
    facts_[1].paraphrase_prompts = {};
    edit_.left = random_tensor({1, 16}, 3);
    edit_.right = random_tensor({1, 64}, 4, 0.5);
  }

  static Condition under(std::string const& name, at::Tensor const& keep = {}, Cover cover = Cover::both) {
    Condition condition{name, true, keep};
    condition.patch = patch_of(name);
    condition.cover = cover;
    EXPECT_TRUE(condition.patch) << name;
    return condition;
  }
  std::vector<PromptMetrics> run(std::vector<Condition> const& conditions,
                                 std::vector<PromptKind> const& kinds = {PromptKind::rewrite}) const {
    return evaluate(*model_, words(), 0, {{10, facts_.data(), &edit_}, {20, &facts_[1], nullptr}}, conditions, {.kinds = kinds});
  }
  Tokenizer words() const { return Tokenizer::open(folder_.path()); }

  TemporaryFolder folder_;
  std::unique_ptr<CausalLM> const model_ = tiny_gpt2().load();
  std::vector<Fact> facts_{2};
  Edit edit_;
  at::Tensor const keep_ = random_tensor({16, 64}, 5).gt(-0.8), other_ = random_tensor({16, 64}, 6).gt(-0.5);
};

TEST_F(PatchingTest, EveryPatchIsThatOfTheBatch) {
  std::vector<Condition> conditions;
  for (auto const& name : patch_names()) {
    bool const masked = belongs_to_mask(*patch_of(name));
    conditions.push_back(under(name, masked ? keep_ : at::Tensor()));
    if (!masked) continue;
    conditions.push_back(under(name, keep_, Cover::delta));
    conditions.push_back(under(name, other_));
  }
  conditions.push_back({"edited", true, {}});
  auto const rows = run(conditions);
  ASSERT_EQ(rows.size(), conditions.size());
  TwoWayPrompt const prompt{words().encode(facts_[0].question()), words().encode(" Welsh"), words().encode(" Thai"),
                            static_cast<std::int64_t>(std::string("The tongue of Bo").size()) - 1};
  TwoWayBatch const batch(*model_, 0, {prompt}, {0});
  std::set<double> different;
  for (auto const& row : rows) {
    auto const& condition = conditions[static_cast<std::size_t>(row.condition)];
    if (!condition.patch) continue;
    auto const model = [&](ConditionKind kind) {
      auto const left = edit_.left.unsqueeze(0), right = edit_.right.unsqueeze(0);
      if (kind == ConditionKind::original) return BatchModel{};
      if (kind == ConditionKind::edited) return BatchModel{{left, right, {}}, nullptr};
      return BatchModel{{left, right, condition.keep.to(at::kFloat), condition.cover != Cover::delta}, nullptr};
    };
    auto const& [of, attention, at] = *condition.patch;
    PatchedModel const patched{0, 1, at != PatchPlace::all, at == PatchPlace::subject};
    batch.score_patched({model(of), model(attention)}, {patched}, [&](std::size_t, TwoWayBatch::Scores const& scores) {
      EXPECT_EQ(row.lp_true, scores.lp_true[0].item<double>()) << condition.name;
      EXPECT_EQ(row.lp_new, scores.lp_new[0].item<double>()) << condition.name;
    });
    different.insert(row.lp_true);
  }
  EXPECT_EQ(different.size(), conditions.size() - 1);
}

TEST_F(PatchingTest, RowsComeInTheOrderOfTheConditionsBehindTheOthers) {
  std::vector<std::int64_t> order;
  auto const rows = run({under("edited+attention(original)"),
                         {"original", false, {}},
                         under("original+attention(edited)"),
                         under("edited+attention(original) at last"),
                         {"edited", true, {}}});
  for (auto const& row : rows) {
    if (row.fact == 10) order.push_back(row.condition);
    // What has no edit is scored under the unedited model alone.
    EXPECT_TRUE(row.fact == 10 || row.condition == 1);
  }
  EXPECT_THAT(order, ElementsAre(1, 4, 0, 2, 3));
}

TEST_F(PatchingTest, WhereTheSubjectIsNotNamedThereIsNoEntryToPatch) {
  auto const rows = run({under("edited+attention(original) at last"), under("edited+attention(original) at subject")},
                        {PromptKind::rewrite, PromptKind::paraphrase, PromptKind::neighborhood});
  std::map<std::int64_t, std::vector<std::int64_t>> prompts;  // by condition
  for (auto const& row : rows) prompts[row.condition].push_back(row.prompt);
  EXPECT_THAT(prompts[0], ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(prompts[1], ElementsAre(0, 1, 3));  // the neighbor's name begins with the subject, but is another
}

TEST_F(PatchingTest, ModelsThatFactsShare) {
  auto const weight = model_->projection(0).weight;
  auto const edited = weight + at::matmul(edit_.left.t(), edit_.right);
  std::vector<Condition> own, shared;
  for (auto const& name : patch_names()) {
    own.push_back(under(name, keep_));
    shared.push_back(own.back());
    shared.back().shared_of = [&](ConditionKind kind) {
      return model_->with_projections({{0, kind == ConditionKind::mask ? edited * keep_.to(at::kFloat) : edited}});
    };
  }
  Edit const without;  // an edit of a model that facts share
  auto const found = evaluate(*model_, words(), 0, {{0, facts_.data(), &without}}, shared, {});
  auto const expected = evaluate(*model_, words(), 0, {{0, facts_.data(), &edit_}}, own, {});
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].condition, expected[i].condition);
    EXPECT_NEAR(found[i].lp_true, expected[i].lp_true, 1e-4);
    EXPECT_NEAR(found[i].kl, expected[i].kl, 1e-5);
  }
}

}  // namespace
}  // namespace onemask::test
