#include "sweep/tiny_study.hpp"
#include <onemask/sweep/plan.hpp>

#include <set>

#include <gmock/gmock.h>

namespace onemask::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class PlanTest : public StudyFolder {
 protected:
  Plan plan(StudyOverrides const& overrides = {}, Fingerprints const& fingerprints = {"m", "t", "e"},
            ContextTemplates const& templates = {"{}", "Yes. {}"}) const {
    auto const study = read(overrides);
    return make_plan(study, fingerprints, std::vector<ContextTemplates>(study.points.size(), templates));
  }

  static std::string all_edits(Plan const& plan) {
    std::string keys;
    for (auto const& key : plan.sets.front().keys) keys += key;
    return keys;
  }
  static std::string all_evaluations(Plan const& plan) {
    std::string keys;
    for (auto const& task : plan.evaluations) keys += task.key;
    return keys;
  }
  static std::vector<std::string> names(Plan const& plan) {
    std::vector<std::string> result;
    for (auto const& condition : plan.conditions) result.push_back(condition.name);
    return result;
  }
};

TEST_F(PlanTest, CountsOfTasksAndFacts) {
  auto const p = plan({{"edit.batch=10", "evaluation.batch=8"}, {}, {}});
  EXPECT_EQ(p.facts.size(), 25U);
  ASSERT_EQ(p.sets.size(), 1U);
  EXPECT_EQ(p.sets[0].name, "");
  EXPECT_EQ(p.sets[0].keys.size(), 25U);
  EXPECT_EQ(std::set<std::string>(p.sets[0].keys.begin(), p.sets[0].keys.end()).size(), 25U);
  ASSERT_EQ(p.edits.size(), 3U);
  EXPECT_EQ(p.edits[2].first, 20U);
  EXPECT_EQ(p.edits[2].count, 5U);
  ASSERT_EQ(p.evaluations.size(), 4U);
  EXPECT_EQ(p.evaluations[3].first, 24U);
  EXPECT_EQ(p.evaluations[3].count, 1U);
  ASSERT_EQ(p.masks.size(), 1U);
  EXPECT_EQ(p.tasks(), 3U + 1 + 4);
}

TEST_F(PlanTest, ShareOfTheTrainingFactsIsHeldBack) {
  auto const p = plan();
  EXPECT_EQ(p.facts_of("train").size(), 18U);
  EXPECT_EQ(p.facts_of("validation").size(), 2U);
  EXPECT_EQ(p.facts_of("heldout").size(), 5U);
  EXPECT_THAT(p.facts_of("heldout"), ElementsAre(20, 21, 22, 23, 24));
  for (auto f : p.facts_of("validation")) EXPECT_LT(f, 20U);
  EXPECT_EQ(plan({{"mask.validation_share=0.5"}, {}, {}}).facts_of("validation").size(), 10U);
  EXPECT_EQ(plan({{"mask.validation_share=0"}, {}, {}}).facts_of("validation").size(), 0U);
  EXPECT_EQ(plan({{"mask.validation_share=0.04"}, {}, {}}).facts_of("validation").size(), 0U);
  EXPECT_EQ(plan({{"mask.train_split=heldout", "mask.validation_share=0.4"}, {}, {}}).facts_of("heldout").size(), 3U);
  // The same facts, whatever the mask's seed.
  EXPECT_EQ(plan({{"mask.seed=9"}, {}, {}}).facts_of("validation"), p.facts_of("validation"));
}

TEST_F(PlanTest, TheSameStudyGivesTheSamePlan) {
  auto const one = plan({{}, {"mask.seed=0..2"}, {}}), other = plan({{}, {"mask.seed=0..2"}, {}});
  EXPECT_EQ(one.id, other.id);
  EXPECT_EQ(all_edits(one), all_edits(other));
  EXPECT_EQ(all_evaluations(one), all_evaluations(other));
}

TEST_F(PlanTest, EditKeysChangeWithWhatDecidesAnEdit) {
  std::set<std::string> seen{all_edits(plan())};
  for (auto const* set : {"edit.method=r-rome", "edit.layer=0", "edit.v_num_grad_steps=6", "edit.v_lr=0.25",
                          "edit.v_loss_layer=1", "edit.v_weight_decay=0.1", "edit.clamp_norm_factor=3", "edit.kl_factor=0.1"}) {
    EXPECT_TRUE(seen.insert(all_edits(plan({{set}, {}, {}}))).second) << set;
  }
  EXPECT_TRUE(seen.insert(all_edits(plan({}, {"other", "t", "e"}))).second);
  EXPECT_TRUE(seen.insert(all_edits(plan({}, {"m", "other", "e"}))).second);
  EXPECT_TRUE(seen.insert(all_edits(plan({}, {"m", "t", "other"}))).second);
  EXPECT_TRUE(seen.insert(all_edits(plan({}, {"m", "t", "e"}, {"{}", "No. {}"}))).second);
}

TEST_F(PlanTest, EditKeysChangeWithTheirBatchAlone) {
  auto const before = plan({{"edit.batch=4"}, {}, {}});
  auto records = nlohmann::json::parse(read_file(folder_ / "train.json"));
  records[4]["requested_rewrite"]["target_new"]["str"] = "Greek";
  records[6]["requested_rewrite"]["target_true"]["str"] = "Dutch";  // does not decide the edit
  write_records(folder_ / "train.json", records);
  auto const after = plan({{"edit.batch=4"}, {}, {}});
  // Batches of 4: only the one with fact 4 is another.
  for (std::size_t f = 0; f < 25; ++f) EXPECT_EQ(before.sets[0].keys[f] == after.sets[0].keys[f], f < 4 || f > 7) << f;
  EXPECT_NE(before.masks[0].key, after.masks[0].key);
}

TEST_F(PlanTest, NothingElseChangesEdits) {
  auto const before = all_edits(plan());
  for (auto const* set : {"name=other", "mask.epochs=3", "mask.seed=4", "evaluation.batch=3", "evaluation.paraphrases=false",
                          "mask.ranks=1", "mask.validation_share=0.3", "peer_compatible=true"}) {
    EXPECT_EQ(all_edits(plan({{set}, {}, {}})), before) << set;
  }
  // Another cut into batches gives other edits.
  EXPECT_NE(all_edits(plan({{"edit.batch=5"}, {}, {}})), before);
}

TEST_F(PlanTest, MaskKeysChangeWithWhatDecidesAMask) {
  std::set<std::string> seen{plan().masks[0].key};
  for (auto const* set : {"mask.seed=1",
                          "mask.epochs=7",
                          "mask.batch=8",
                          "mask.micro_batch=3",
                          "mask.learning_rate=0.25",
                          "mask.weight_decay=0.5",
                          "mask.max_gradient_norm=2",
                          "mask.init_mean=1.5",
                          "mask.init_deviation=0.2",
                          "mask.tau0=5",
                          "mask.tau_decay=2",
                          "mask.margin=4",
                          "mask.sparsity_target=0.3",
                          "mask.sparsity_weight0=1",
                          "mask.sparsity_weight1=2",
                          "mask.distillation_weight=0.7",
                          "mask.temperature0=1.25",
                          "mask.temperature1=2.25",
                          "mask.validation_share=0.2",
                          "mask.restoration=nll",
                          "mask.temperature_schedule=cosine",
                          "mask.train_split=heldout",
                          "peer_compatible=true",
                          "edit.v_lr=0.25",
                          "facts.train.limit=19"}) {
    EXPECT_TRUE(seen.insert(plan({{set}, {}, {}}).masks[0].key).second) << set;
  }
  EXPECT_TRUE(seen.insert(plan({}, {"m", "t", "other"}).masks[0].key).second);
}

TEST_F(PlanTest, NothingElseChangesMasks) {
  // Batches of 5 end where the training split does; one that reached into the next split would depend on it.
  auto const before = plan({{"edit.batch=5"}, {}, {}}).masks[0].key;
  for (auto const* set : {"name=other", "mask.threshold=0.8", "mask.checkpoint_every=2", "mask.ranks=1", "evaluation.batch=3",
                          "evaluation.paraphrases=false", "evaluation.baselines=[]", "facts.heldout.limit=2"}) {
    EXPECT_EQ(plan({{"edit.batch=5", set}, {}, {}}).masks[0].key, before) << set;
  }
}

TEST_F(PlanTest, EvaluationKeysChangeWithWhatIsScored) {
  std::set<std::string> seen{all_evaluations(plan())};
  for (auto const* set :
       {"mask.threshold=0.8", "mask.seed=3", "edit.v_lr=0.25", "evaluation.baselines=[random]", "evaluation.paraphrases=false",
        "evaluation.masked_original=false", "evaluation.batch=3", "peer_compatible=true"}) {
    EXPECT_TRUE(seen.insert(all_evaluations(plan({{set}, {}, {}}))).second) << set;
  }
  for (auto const* set : {"name=other", "mask.checkpoint_every=2", "mask.ranks=1"}) {
    EXPECT_FALSE(seen.insert(all_evaluations(plan({{set}, {}, {}}))).second) << set;
  }
}

TEST_F(PlanTest, TheIdStandsForAllKeys) {
  std::set<std::string> seen{plan().id};
  for (auto const* set :
       {"mask.threshold=0.8", "mask.seed=3", "edit.v_lr=0.25", "evaluation.paraphrases=false", "facts.heldout.limit=4"}) {
    EXPECT_TRUE(seen.insert(plan({{set}, {}, {}}).id).second) << set;
  }
  EXPECT_FALSE(seen.insert(plan({{"name=other", "mask.checkpoint_every=2"}, {}, {}}).id).second);
}

TEST_F(PlanTest, MasksOfEqualEditSettingsShareOneSet) {
  auto const p = plan({{}, {"edit.v_lr=0.5,1", "mask.seed=0..1"}, {}});
  ASSERT_EQ(p.sets.size(), 2U);
  EXPECT_EQ(p.sets[0].name, "edit.v_lr=0.5");
  EXPECT_EQ(p.sets[1].name, "edit.v_lr=1");
  ASSERT_EQ(p.masks.size(), 4U);
  std::vector<std::size_t> sets;
  std::set<std::string> keys;
  for (auto const& mask : p.masks) {
    sets.push_back(mask.set);
    keys.insert(mask.key);
  }
  EXPECT_THAT(sets, ElementsAre(0, 0, 1, 1));
  EXPECT_EQ(keys.size(), 4U);
  EXPECT_EQ(p.edits.size(), 2U * 2);
}

TEST_F(PlanTest, ThresholdsShareOneTraining) {
  auto const p = plan({{}, {"mask.threshold=0.6,0.7"}, {}});
  ASSERT_EQ(p.masks.size(), 2U);
  EXPECT_EQ(p.masks[0].key, p.masks[1].key);
  EXPECT_EQ(p.sets.size(), 1U);
}

TEST_F(PlanTest, ConditionsOfOneMask) {
  EXPECT_THAT(names(plan()), ElementsAre("original", "edited", "mask", "random (mask)", "magnitude (mask)",
                                         "delta_magnitude (mask)", "original (mask)"));
  EXPECT_THAT(names(plan({{"evaluation.baselines=[magnitude]", "evaluation.masked_original=false"}, {}, {}})),
              ElementsAre("original", "edited", "mask", "magnitude (mask)"));
}

TEST_F(PlanTest, ConditionsOfASweepHaveNamesOfTheirOwn) {
  auto const p = plan({{"evaluation.baselines=[random]"}, {"edit.v_lr=0.5,1", "mask.seed=0..1"}, {}});
  auto const all = names(p);
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), all.size());
  EXPECT_EQ(all.size(), 2U * (2 + 2 * 3));
  EXPECT_EQ(all[0], "original (edit.v_lr=0.5)");
  EXPECT_EQ(all[2], "edit.v_lr=0.5 mask.seed=0");
  EXPECT_EQ(all[3], "random (edit.v_lr=0.5 mask.seed=0)");
  EXPECT_EQ(p.conditions[8].kind, "original");
  EXPECT_EQ(p.conditions[8].set, 1U);
  EXPECT_EQ(p.conditions[8].mask, -1);
  EXPECT_EQ(p.conditions[10].kind, "mask");
  EXPECT_EQ(p.conditions[10].mask, 2);
  EXPECT_EQ(p.conditions[12].kind, "original_masked");
}

TEST_F(PlanTest, StudiesThatCannotBePlanned) {
  EXPECT_THROW(plan({{}, {"mask.validation_share=0.1,0.2"}, {}}), UserError);
  EXPECT_THROW(plan({{"facts.train.limit=0"}, {}, {}}), UserError);
  EXPECT_THROW(plan({{"facts.train.files=none*.json"}, {}, {}}), UserError);
}

}  // namespace
}  // namespace onemask::test
