#include "plan/plan_of.hpp"
#include "support/complaint.hpp"
#include "support/tiny_study.hpp"
#include <onemask/plan/plan.hpp>

#include <set>

#include <gmock/gmock.h>

namespace onemask::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class PlanTest : public StudyFolder {
 protected:
  Plan plan(StudyOverrides const& overrides = {}, Fingerprints const& fingerprints = {"m", "t", "e"},
            ContextTemplates const& templates = {"{}", "Yes. {}"}) const {
    return plan_of(read(overrides), {}, templates, fingerprints);
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
  EXPECT_THAT(p.edits[2].facts, ElementsAre(20, 21, 22, 23, 24));
  ASSERT_EQ(p.masks.size(), 1U);
  ASSERT_EQ(p.evaluations.size(), 8U);  // four batches of facts without a mask, and under one
  EXPECT_EQ(p.evaluations[3].first, 24U);
  EXPECT_EQ(p.evaluations[3].count, 1U);
  EXPECT_EQ(p.evaluations[3].mask, -1);
  EXPECT_EQ(p.evaluations[7].first, 24U);
  EXPECT_EQ(p.evaluations[7].mask, 0);
  EXPECT_EQ(p.tasks(), 3U + 1 + 8);
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

TEST_F(PlanTest, EverySplitThatIsTrainedOnHasItsShareHeldBack) {
  auto const p = plan({{"mask.validation_share=0.2"}, {"mask.train_split=train,heldout"}, {}});
  EXPECT_EQ(p.facts_of("train").size(), 16U);
  EXPECT_EQ(p.facts_of("heldout").size(), 4U);
  EXPECT_EQ(p.facts_of("validation").size(), 5U);
  ASSERT_EQ(p.masks.size(), 2U);
  EXPECT_EQ(p.masks[0].name, "mask.train_split=train");
  EXPECT_EQ(p.masks[0].settings, "mask.train_split=train");
  EXPECT_EQ(p.masks[0].training, p.facts_of("train"));
  EXPECT_EQ(p.masks[1].training, p.facts_of("heldout"));
  // A mask is not scored on facts held back from the other: they are neither of their own split nor of its.
  for (auto f : p.facts_of("validation")) {
    bool const own = p.facts[f].home() == "train";
    EXPECT_EQ(f < 20, own);
    EXPECT_EQ(is_scored(p.masks[0], f), own);
    EXPECT_EQ(is_scored(p.masks[1], f), !own);
  }
  for (auto const* split : {"train", "heldout"}) {
    for (auto f : p.facts_of(split)) EXPECT_TRUE(is_scored(p.masks[0], f) && is_scored(p.masks[1], f));
  }
  // The masks are those of studies that train on one of the splits.
  for (auto const& mask : p.masks) {
    auto const alone = plan({{"mask.validation_share=0.2", "mask.train_split=" + mask.split}, {}, {}});
    EXPECT_EQ(alone.masks[0].key, mask.key);
    EXPECT_TRUE(alone.masks[0].left_out.empty());
  }
}

TEST_F(PlanTest, ModelsOfASplitHoldItsFactsThatAreHeldBack) {
  std::vector<std::string> const memit{"edit.method=memit", "moments.text=corpus.txt", "mask.validation_share=0.2"};
  auto const p = plan({memit, {"mask.train_split=train,heldout"}, {}});
  ASSERT_EQ(p.solves.size(), 2U);
  EXPECT_EQ(p.solves[0].facts.size(), 20U);
  EXPECT_THAT(p.solves[1].facts, ElementsAre(20, 21, 22, 23, 24));
  auto const alone = plan({memit, {}, {}});
  EXPECT_EQ(alone.solves[0].key, p.solves[0].key);
  EXPECT_EQ(alone.masks[0].key, p.masks[0].key);
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

TEST_F(PlanTest, AnAdjustedKeyDependsOnItsSecondMoment) {
  EXPECT_TRUE(plan().moments.empty());
  auto const adjusted = plan({{"edit.mom2_adjustment=true", "moments.text=corpus.txt"}, {}, {}});
  EXPECT_EQ(adjusted.moments.size(), 1U);
  EXPECT_NE(all_edits(adjusted), all_edits(plan()));
  EXPECT_EQ(adjusted.tasks(), plan().tasks() + 1);
}

/// Finished edits of the study's 25 facts: `file_of` says the file of each.
class ImportPlanTest : public PlanTest {
 protected:
  Plan imported(std::vector<std::optional<std::size_t>> const& file_of, std::vector<EditFile> const& files,
                std::vector<int> const& layers = {1}, StudyOverrides const& overrides = {{}, {}, {}},
                std::vector<TextPiece> const& text = {}) const {
    write_study(study_text.substr(0, study_text.find("edit:")) + "edit: {files: x}\n");
    auto const study = read(overrides);
    std::vector<FinishedEdits> const finished(study.points.size(), {files, file_of, layers});
    return make_plan(study, {select_facts(study.facts, study.base), {}}, {"m", "t", "e"},
                     std::vector<ContextTemplates>(study.points.size(), {"{}"}), {}, text, finished);
  }
  static std::vector<std::optional<std::size_t>> one_each() {
    std::vector<std::optional<std::size_t>> places;
    for (std::size_t f = 0; f < 25; ++f) places.emplace_back(f);
    return places;
  }
  static std::vector<EditFile> files(std::size_t count, bool factors = true) {
    std::vector<EditFile> list;
    for (std::size_t f = 0; f < count; ++f)
      list.push_back({"f" + std::to_string(f), "content " + std::to_string(f), factors ? 1 : 0});
    return list;
  }
};

TEST_F(ImportPlanTest, FactorsOfOneFactAreAnObjectEach) {
  auto const p = imported(one_each(), files(25));
  EXPECT_FALSE(p.sets[0].in_batches);
  EXPECT_EQ(p.edits.size(), 25U);
  EXPECT_TRUE(p.solves.empty());
  EXPECT_EQ(p.sets[0].options.hparams.layer(), 1);
  EXPECT_THAT(p.masks[0].options.layers, ElementsAre(1));
  auto others = files(25);
  others[3].content = "other";
  others[4].path = "elsewhere";  // a name decides nothing
  auto const other = imported(one_each(), others);
  for (std::size_t f = 0; f < 25; ++f) EXPECT_EQ(p.sets[0].keys[f] == other.sets[0].keys[f], f != 3) << f;
  EXPECT_NE(p.masks[0].key, other.masks[0].key);
}

TEST_F(ImportPlanTest, WaysOfEditingShareEqualEdits) {
  auto const p = imported(one_each(), files(25), {1}, {{}, {"edit.rank=1,2"}, {}});
  EXPECT_EQ(p.sets.size(), 1U);  // factors stay as they are
  auto const dense = imported(one_each(), files(25, false), {1}, {{}, {"edit.rank=1,2"}, {}});
  EXPECT_EQ(dense.sets.size(), 2U);
  EXPECT_EQ(dense.edits.size(), 50U);
}

TEST_F(ImportPlanTest, AFileOfManyFactsIsAModel) {
  std::vector<std::optional<std::size_t>> places(25, 0U);
  std::fill(places.begin() + 20, places.end(), 1U);
  auto const p = imported(places, files(2), {0, 2}, {{"mask.layers=all"}, {}, {}});
  EXPECT_TRUE(p.sets[0].in_batches);
  ASSERT_EQ(p.solves.size(), 2U);
  EXPECT_EQ(p.solves[0].facts.size(), 20U);
  EXPECT_TRUE(p.edits.empty());
  EXPECT_THAT(p.masks[0].options.layers, ElementsAre(0, 2));
  EXPECT_THAT(imported(places, files(2), {0, 2}).masks[0].options.layers, ElementsAre(2));
  EXPECT_THAT(complaint_of([&] {
                imported(places, files(2), {0, 2}, {{"mask.layers=[1]"}, {}, {}});
              }),
              AllOf(HasSubstr("mask.layers"), HasSubstr("0, 2")));
}

TEST_F(ImportPlanTest, MasksNeedFactorsOrFewModels) {
  auto records = nlohmann::json::parse(read_file(folder_ / "train.json"));
  while (records.size() < 70) {
    records.push_back(records[records.size() % 10]);
    records.back()["case_id"] = 1000 + records.size();
    records.back()["requested_rewrite"]["subject"] = "Subject " + std::to_string(records.size());
  }
  EXPECT_EQ(imported(one_each(), files(25, false), {1}).solves.size(), 25U);
  write_records(folder_ / "train.json", records);
  std::vector<std::optional<std::size_t>> places(75);
  std::iota(places.begin(), places.end(), 0U);
  EXPECT_THAT(complaint_of([&] { imported(places, files(75, false), {1}); }),
              AllOf(HasSubstr("at most 64"), HasSubstr("edit.rank")));
}

TEST_F(ImportPlanTest, EditsOfOneFactAreFactorsWhereARankIsGiven) {
  EXPECT_EQ(complaint_of([&] { imported(one_each(), files(25, false), {1}, {{"edit.rank=1"}, {}, {}}); }), "");
  EXPECT_EQ(imported(one_each(), files(25, false), {1}, {{"mask=none"}, {}, {}}).solves.size(), 25U);
}

TEST_F(ImportPlanTest, FactsWithoutAFileHaveATaskToo) {
  auto places = one_each();
  places[7].reset();
  places[8].reset();
  auto const p = imported(places, files(25));
  EXPECT_EQ(p.edits.size(), 25U);
  EXPECT_NE(p.sets[0].keys[7], p.sets[0].keys[8]);
  std::vector<std::optional<std::size_t>> some(25, 0U);
  some[24].reset();
  EXPECT_EQ(imported(some, files(1)).solves.size(), 2U);
}

TEST_F(ImportPlanTest, ALowerRankChangesFactorsToo) {
  auto list = files(25);
  list[3].rank = 64;
  auto const p = imported(one_each(), list, {1}, {{}, {"edit.rank=0,2,64"}, {}});
  ASSERT_EQ(p.sets.size(), 2U);  // 0 and 64 leave them as they are
  for (std::size_t f = 0; f < 25; ++f) EXPECT_EQ(p.sets[0].keys[f] == p.sets[1].keys[f], f != 3) << f;
}

TEST_F(ImportPlanTest, FactsWithoutAFileAreInNoModel) {
  std::vector<std::optional<std::size_t>> places(25, 0U);
  places[0].reset();                                           // of the training split
  std::fill(places.begin() + 20, places.end(), std::nullopt);  // all of the held-out one
  auto const p = imported(places, files(1), {1}, {}, {{"a", 5}});
  EXPECT_EQ(p.masks.size(), 1U);
  std::vector<std::string> scored;
  for (auto const& model : p.text_models) scored.push_back(p.conditions[model.condition].name + " on " + model.split);
  EXPECT_THAT(scored, ElementsAre("original (imported) on all", "edited (imported) on train", "dropped (imported) on all",
                                  "mask on train", "original (mask) on all"));
  EXPECT_EQ(p.text_models[1].edited, p.sets[0].keys[1]);
  EXPECT_NE(p.text_models[1].edited, p.sets[0].keys[0]);
  EXPECT_FALSE(p.sets[0].edits(0));
  EXPECT_TRUE(p.sets[0].edits(1));
}

/// Facts written into models together: 25 facts, 20 of them (2 held back) in the split "train".
class BatchPlanTest : public PlanTest {
 protected:
  Plan batch_plan(std::vector<std::string> const& more, std::vector<std::string> const& sweep = {}) const {
    std::vector<std::string> set{"edit.layers=[0, 1]", "edit.batch=8", "moments.text=corpus.txt"};
    bool const methods =
        std::any_of(sweep.begin(), sweep.end(), [](auto const& axis) { return axis.starts_with("edit.method="); });
    if (!methods) set.emplace_back("edit.method=memit");
    set.insert(set.end(), more.begin(), more.end());
    return plan({set, sweep, {}});
  }
};

TEST_F(BatchPlanTest, OneModelForEverySplit) {
  auto const p = batch_plan({});
  ASSERT_EQ(p.edits.size(), 4U);  // 8 + 8 + 4 facts, and 5
  EXPECT_THAT(p.edits[2].facts, ElementsAre(16, 17, 18, 19));
  EXPECT_THAT(p.edits[3].facts, ElementsAre(20, 21, 22, 23, 24));
  ASSERT_EQ(p.solves.size(), 2U);
  EXPECT_EQ(p.solves[0].facts.size(), 20U);
  EXPECT_THAT(p.solves[0].values, ElementsAre(p.edits[0].key, p.edits[1].key, p.edits[2].key));
  EXPECT_THAT(p.solves[1].values, ElementsAre(p.edits[3].key));
  EXPECT_EQ(p.rounds, 1U);
  for (std::size_t f = 0; f < 25; ++f) EXPECT_EQ(p.sets[0].keys[f], p.solves[f < 20 ? 0 : 1].key) << f;
  EXPECT_THAT(p.moments, testing::SizeIs(2));
  EXPECT_EQ(p.tasks(), 2U + 4 + 2 + 1 + p.evaluations.size());
}

TEST_F(BatchPlanTest, BatchesOfFactsInModelsOfTheirOwn) {
  auto const p = batch_plan({"edit.facts_per_model=10", "mask=none"});
  ASSERT_EQ(p.solves.size(), 3U);
  EXPECT_NE(p.sets[0].keys[9], p.sets[0].keys[10]);
  // Values are searched for in the same units, whatever models they go into.
  ASSERT_EQ(p.edits.size(), 4U);
  EXPECT_THAT(p.edits[1].facts, ElementsAre(8, 9, 10, 11, 12, 13, 14, 15));
  EXPECT_THAT(p.solves[0].values, ElementsAre(p.edits[0].key, p.edits[1].key));
  EXPECT_THAT(p.solves[1].values, ElementsAre(p.edits[1].key, p.edits[2].key));
  EXPECT_TRUE(p.masks.empty());
  for (auto const& condition : p.conditions) EXPECT_EQ(condition.mask, -1);
  EXPECT_EQ(p.facts_of("train").size(), 20U);  // none held back where nothing is trained
}

TEST_F(BatchPlanTest, ASequenceOfBatchesEndsInOneModel) {
  auto const p = batch_plan({"edit.facts_per_model=10", "edit.sequential=true"});
  ASSERT_EQ(p.solves.size(), 3U);
  EXPECT_EQ(p.rounds, 2U);
  EXPECT_EQ(p.solves[0].previous, "");
  EXPECT_EQ(p.solves[1].previous, p.solves[0].key);
  EXPECT_EQ(p.solves[1].round, 1U);
  EXPECT_EQ(p.solves[2].previous, "");  // the held-out facts begin anew
  EXPECT_EQ(p.edits[2].previous, p.solves[0].key);
  for (std::size_t f = 0; f < 20; ++f) EXPECT_EQ(p.sets[0].keys[f], p.solves[1].key) << f;
}

TEST_F(BatchPlanTest, WeightsSweptShareTheirValues) {
  auto const p = batch_plan({}, {"edit.mom2_update_weight=100,1000,10000"});
  EXPECT_EQ(p.sets.size(), 3U);
  EXPECT_EQ(p.edits.size(), 4U);
  EXPECT_EQ(p.solves.size(), 6U);
  EXPECT_EQ(p.solves[0].values, p.solves[2].values);
  EXPECT_NE(p.solves[0].key, p.solves[2].key);
  // What decides a value keeps them apart.
  EXPECT_EQ(batch_plan({}, {"edit.clamp_norm_factor=1,2"}).edits.size(), 8U);
}

TEST_F(BatchPlanTest, MethodsThatSolveDifferentlyShareTheirValues) {
  auto const p = batch_plan({}, {"edit.method=memit,emmet,alphaedit,memit-merge"});
  EXPECT_EQ(p.sets.size(), 4U);
  EXPECT_EQ(p.edits.size(), 8U);  // merged values are other ones
  EXPECT_EQ(p.null_spaces.size(), 2U);
  EXPECT_EQ(batch_plan({"edit.layers=[1]"}, {"edit.method=ft-l"}).edits.size(), 0U);
  EXPECT_TRUE(batch_plan({"edit.layers=[1]"}, {"edit.method=ft-l"}).moments.empty());
}

TEST_F(BatchPlanTest, FactsThatShareASubjectStayTogetherWhenTheyAreMerged) {
  auto records = nlohmann::json::parse(read_file(folder_ / "train.json"));
  for (auto place : {0, 18}) records[place]["requested_rewrite"]["subject"] = "Same";
  write_records(folder_ / "train.json", records);
  auto const p = batch_plan({"edit.method=memit-merge", "edit.batch=1"});
  EXPECT_THAT(p.edits[0].facts, ElementsAre(0, 18));
  EXPECT_THAT(p.edits[1].facts, ElementsAre(1));
}

TEST_F(BatchPlanTest, MasksMayBeForSomeMethodsAlone) {
  auto const p = batch_plan({"edit.layers=[1]", "mask.methods=[rome]", "evaluation.baselines=[random]"},
                            {"edit.method=rome,memit", "mask.seed=0..1"});
  ASSERT_EQ(p.sets.size(), 2U);
  ASSERT_EQ(p.masks.size(), 2U);
  for (auto const& mask : p.masks) EXPECT_EQ(p.sets[mask.set].options.hparams.method, EditMethod::rome);
  std::vector<std::string> kinds;
  for (auto const& condition : p.conditions) {
    if (p.sets[condition.set].options.hparams.method == EditMethod::memit) kinds.push_back(to_string(condition.kind));
  }
  EXPECT_THAT(kinds, ElementsAre("original", "edited"));
}

TEST_F(BatchPlanTest, KeysDependOnWhatIsSolved) {
  std::set<std::string> seen{all_edits(batch_plan({}))};
  for (auto const* set : {"edit.mom2_update_weight=7", "edit.layers=[1]", "edit.v_lr=0.25", "edit.facts_per_model=20",
                          "edit.method=emmet", "edit.batch=9"}) {
    bool const is_new = seen.insert(all_edits(batch_plan({set}))).second;
    EXPECT_EQ(is_new, std::string(set) != "edit.facts_per_model=20") << set;  // the same model
  }
}

TEST_F(BatchPlanTest, FactsOfOneModelAreScoredEachForItself) {
  auto records = nlohmann::json::parse(read_file(folder_ / "train.json"));
  for (auto& record : records) {
    record["paraphrase_prompts"] = nlohmann::json::array();
    record["requested_rewrite"]["target_true"] = records[0]["requested_rewrite"]["target_true"];
  }
  write_records(folder_ / "train.json", records);
  auto const p = batch_plan({"evaluation.batch=1"});
  std::set<std::string> keys;
  for (auto const& task : p.evaluations) EXPECT_TRUE(keys.insert(task.key).second) << task.first;
}

TEST_F(BatchPlanTest, AMaskIsTrainedOnTheFactsOfTheFirstModels) {
  auto const p = batch_plan({"edit.facts_per_model=10"}, {"mask.train_models=0..2"});
  ASSERT_EQ(p.masks.size(), 3U);
  for (auto const* facts : {&p.masks[1].training, &p.masks[1].held_back}) {
    for (auto fact : *facts) EXPECT_LT(fact, 10U);
  }
  EXPECT_EQ(p.masks[1].training.size() + p.masks[1].held_back.size(), 10U);
  EXPECT_EQ(p.masks[2].training, p.masks[0].training);
  EXPECT_EQ(p.masks[2].key, p.masks[0].key);
  EXPECT_NE(p.masks[1].key, p.masks[0].key);
  EXPECT_NE(p.masks[0].key, batch_plan({}).masks[0].key);
  for (std::size_t fact = 0; fact < 10; ++fact) EXPECT_TRUE(is_scored(p.masks[1], fact));
  for (std::size_t fact = 10; fact < 20; ++fact) EXPECT_FALSE(is_scored(p.masks[1], fact));
}

TEST_F(BatchPlanTest, MoreEditedModelsThanThereAreAreRefused) {
  auto const complaint = [&](std::vector<std::string> const& set) { return complaint_of([&] { batch_plan(set); }); };
  EXPECT_THAT(complaint({"edit.facts_per_model=10", "mask.train_models=3"}), HasSubstr("to at most 2."));
  EXPECT_THAT(complaint({"mask.train_models=-1"}), HasSubstr("mask.train_models"));
  EXPECT_THAT(complaint({"mask.cover=delta"}), HasSubstr("'mask.cover: delta'"));
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
                          "mask.train_relations=P1",
                          "mask.train_per_relation=4",
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
        "evaluation.masked_original=false", "evaluation.batch=3", "peer_compatible=true", "evaluation.neighborhood=true",
        "evaluation.token_accuracy=true", "evaluation.prompts=[attribute]", "evaluation.prompts=[distract]",
        "evaluation.prompts=[rep]", "evaluation.prompts=[que]", "evaluation.prompts=[rep, que]", "evaluation.generate=5",
        "evaluation.generate=6", "evaluation.entropy=5"}) {
    EXPECT_TRUE(seen.insert(all_evaluations(plan({{set}, {}, {}}))).second) << set;
  }
  for (auto const* set : {"name=other", "mask.checkpoint_every=2", "mask.ranks=1"}) {
    EXPECT_FALSE(seen.insert(all_evaluations(plan({{set}, {}, {}}))).second) << set;
  }
}

TEST_F(PlanTest, FurtherPromptsAreNamedByWhatIsScored) {
  auto const keys = [&](std::vector<std::string> const& set) { return all_evaluations(plan({set, {}, {}})); };
  EXPECT_EQ(keys({"evaluation.prompts=[rep, attribute]"}), keys({"evaluation.prompts=[attribute, rep]"}));
  // OM needs the tokens anyway.
  EXPECT_EQ(keys({"evaluation.prompts=[rep]", "evaluation.token_accuracy=true"}), keys({"evaluation.prompts=[rep]"}));
  EXPECT_EQ(keys({"evaluation.prompts=[]", "evaluation.token_accuracy=false"}), keys({}));
  auto const masked = plan({{"evaluation.prompts=[attribute, distract, rep, que]"}, {}, {}});
  EXPECT_EQ(masked.masks[0].key, plan().masks[0].key);
  EXPECT_EQ(all_edits(masked), all_edits(plan()));
  auto const before = keys({}), attributes = keys({"evaluation.prompts=[attribute]"}), rep = keys({"evaluation.prompts=[rep]"});
  auto records = nlohmann::json::parse(read_file(folder_ / "train.json"));
  records[0]["attribute_prompts"] = {"Another one speaks"};
  write_records(folder_ / "train.json", records);
  EXPECT_EQ(keys({}), before);
  EXPECT_EQ(keys({"evaluation.prompts=[rep]"}), rep);
  EXPECT_NE(keys({"evaluation.prompts=[attribute]"}), attributes);
}

TEST_F(PlanTest, PromptsThatNoFactHasAreRefused) {
  for (auto const* file : {"train.json", "heldout.json"}) {
    auto records = nlohmann::json::parse(read_file(folder_ / file));
    for (auto& record : records) record.erase("attribute_prompts");
    write_records(folder_ / file, records);
  }
  auto const complaint = complaint_of([&] { plan({{"evaluation.prompts=[attribute]"}, {}, {}}); });
  EXPECT_THAT(complaint, AllOf(HasSubstr("'attribute'"), HasSubstr("evaluation.prompts"), HasSubstr("no fact has any")));
  EXPECT_EQ(complaint_of([&] { plan({{"evaluation.prompts=[distract]"}, {}, {}}); }), "");
}

TEST_F(PlanTest, TheNeighborhoodCountsOnlyWhereItIsScored) {
  auto const on = [&] { return all_evaluations(plan({{"evaluation.neighborhood=true"}, {}, {}})); };
  auto const before = on(), without = all_evaluations(plan());
  auto records = nlohmann::json::parse(read_file(folder_ / "train.json"));
  auto const neighbors = records[0]["neighborhood_prompts"];
  // A paraphrase more and a neighbor less are the same texts in the same order, but not the same questions.
  records[0]["paraphrase_prompts"].push_back(neighbors[0]);
  write_records(folder_ / "train.json", records);
  auto const with_paraphrase = all_evaluations(plan());
  auto const all_neighbors = on();
  records[0]["neighborhood_prompts"] = {neighbors[1]};
  write_records(folder_ / "train.json", records);
  EXPECT_NE(with_paraphrase, without);
  EXPECT_EQ(all_evaluations(plan()), with_paraphrase);
  EXPECT_EQ((std::set{before, all_neighbors, on()}.size()), 3U);
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

TEST_F(PlanTest, SharesOfZerosShareOneTraining) {
  auto const p = plan({{"mask.zeros=[0.1, 0.2]"}, {}, {}});
  ASSERT_EQ(p.masks.size(), 2U);
  EXPECT_EQ(p.masks[0].key, plan().masks[0].key);
  EXPECT_EQ(p.masks[0].key, p.masks[1].key);
  std::set<std::string> keys;
  for (auto const& task : p.evaluations) keys.insert(task.key);
  EXPECT_EQ(keys.size(), p.evaluations.size());  // but each has scores of its own
  // A share alone decides no other scores than the same share in a list.
  EXPECT_EQ(plan({{"mask.zeros=0.2"}, {}, {}}).evaluations.back().key, p.evaluations.back().key);
}

TEST_F(PlanTest, AConsensusIsAMaskMoreForEverySize) {
  auto const p = plan(
      {{"mask.zeros=[0.1, 0.2]", "evaluation.consensus=true", "evaluation.baselines=[random]", "evaluation.cover=[both, weight]"},
       {"mask.seed=0..1"},
       {}});
  ASSERT_EQ(p.masks.size(), 6U);
  EXPECT_EQ(p.masks[4].name, "consensus mask.zeros=0.1");
  EXPECT_THAT(p.masks[4].members, ElementsAre(0, 2));
  EXPECT_THAT(p.masks[5].members, ElementsAre(1, 3));
  EXPECT_EQ(p.masks[4].key, p.masks[5].key);  // the mean of the soft masks, cut to either size
  EXPECT_NE(p.masks[4].key, p.masks[0].key);
  std::vector<std::string> conditions, variants;
  for (auto const place : p.conditions_of(0, 4)) {
    conditions.push_back(p.conditions[place].name);
    variants.push_back(variant_of(p.conditions[place]));
  }
  EXPECT_THAT(conditions, ElementsAre("consensus mask.zeros=0.1", "cover weight (consensus mask.zeros=0.1)",
                                      "original (consensus mask.zeros=0.1)"));
  EXPECT_THAT(variants, ElementsAre("consensus", "consensus, cover weight", "consensus"));
  // The others keep their names.
  auto const without = plan(
      {{"mask.zeros=[0.1, 0.2]", "evaluation.baselines=[random]", "evaluation.cover=[both, weight]"}, {"mask.seed=0..1"}, {}});
  for (std::size_t t = 0; t < without.evaluations.size(); ++t) EXPECT_EQ(without.evaluations[t].key, p.evaluations[t].key);
}

TEST_F(PlanTest, ConditionsOfOneMask) {
  EXPECT_THAT(names(plan()), ElementsAre("original", "edited", "mask", "random (mask)", "magnitude (mask)",
                                         "delta_magnitude (mask)", "original (mask)"));
  EXPECT_THAT(names(plan({{"evaluation.baselines=[magnitude]", "evaluation.masked_original=false"}, {}, {}})),
              ElementsAre("original", "edited", "mask", "magnitude (mask)"));
}

TEST_F(PlanTest, AModelWithoutTheMatrixIsOneMoreConditionOfTheEdits) {
  auto const p = plan({{"evaluation.drop=true", "evaluation.baselines=[]"}, {"edit.v_lr=0.5,1"}, {}});
  EXPECT_THAT(names(p),
              ElementsAre("original (edit.v_lr=0.5)", "edited (edit.v_lr=0.5)", "dropped (edit.v_lr=0.5)", "edit.v_lr=0.5 mask",
                          "original (edit.v_lr=0.5 mask)", "original (edit.v_lr=1)", "edited (edit.v_lr=1)",
                          "dropped (edit.v_lr=1)", "edit.v_lr=1 mask", "original (edit.v_lr=1 mask)"));
  EXPECT_THAT(p.conditions_of(1, -1), ElementsAre(5, 6, 7));
  EXPECT_EQ(p.masked_layers(p.conditions[7]), p.sets[1].options.hparams.layers);
  // What is scored with it has another name.
  EXPECT_NE(p.evaluations[0].key, plan({{"evaluation.baselines=[]"}, {"edit.v_lr=0.5,1"}, {}}).evaluations[0].key);
}

TEST_F(PlanTest, AMaskIsScoredOnOtherEditsOfItsLayers) {
  auto const p = plan(
      {{"evaluation.transfer=true", "evaluation.baselines=[random, {score: magnitude, scope: fact}]"}, {"edit.v_lr=0.5,1"}, {}});
  EXPECT_THAT(names(p),
              testing::IsSupersetOf({"edit.v_lr=0.5 mask", "magnitude per fact (edit.v_lr=0.5 mask)",
                                     "edit.v_lr=0.5 mask on edit.v_lr=1", "random (edit.v_lr=0.5 mask on edit.v_lr=1)"}));
  ASSERT_EQ(p.condition_groups.size(), 6U);
  auto const& moved = p.condition_groups[4];
  EXPECT_EQ(moved.set, 1U);
  EXPECT_EQ(moved.mask, 0);
  EXPECT_EQ(moved.count, 2U);  // the mask and a random one; what knows the edit is scored at home
  EXPECT_EQ(p.conditions[moved.first].kind, ConditionKind::mask);
  EXPECT_EQ(p.evaluations.size(), plan({{"evaluation.batch=16"}, {"edit.v_lr=0.5,1"}, {}}).evaluations.size() / 4 * 6);
}

TEST_F(PlanTest, MasksThatFitNoOtherEditsAreRefused) {
  auto const complaint = [&](StudyOverrides const& overrides) { return complaint_of([&] { plan(overrides); }); };
  EXPECT_THAT(complaint({{"evaluation.transfer=true"}, {}, {}}), HasSubstr("it edits in one way"));
  EXPECT_THAT(complaint({{"evaluation.transfer=true"}, {"edit.layer=0,1"}, {}}), HasSubstr("their layers differ"));
}

TEST_F(PlanTest, BaselinesOfFactsAreScoredOnceAndThoseOfAMaskBesideIt) {
  std::string const list =
      "evaluation.baselines=[random, {score: magnitude, scope: fact, zeros: 0.05}, {score: magnitude, scope: "
      "fact}, {score: magnitude_rows, zeros: 0.1}, {score: bottom_rank, k: 1..2}]";
  auto const p = plan({{list, "evaluation.masked_original=false"}, {"mask.seed=0..1"}, {}});
  EXPECT_THAT(names(p), ElementsAre("original", "edited", "magnitude per fact, zeros 0.05", "bottom rank, k 1",
                                    "bottom rank, k 2", "mask.seed=0", "random (mask.seed=0)", "magnitude per fact (mask.seed=0)",
                                    "magnitude rows, zeros 0.1 (mask.seed=0)", "mask.seed=1", "random (mask.seed=1)",
                                    "magnitude per fact (mask.seed=1)", "magnitude rows, zeros 0.1 (mask.seed=1)"));
  EXPECT_EQ(p.conditions[2].kind, ConditionKind::pruned);
  EXPECT_EQ(p.conditions[3].kind, ConditionKind::bottom_rank);
  EXPECT_EQ(variant_of(p.conditions[8]), "magnitude rows, zeros 0.1");
  EXPECT_EQ(variant_of(p.conditions[6]), "");
  // Other baselines are other scores.
  auto const keys = all_evaluations(p);
  for (auto const& [from, to] : std::vector<std::pair<std::string, std::string>>{{"0.05", "0.06"}, {"1..2", "1..3"}}) {
    auto other = list;
    other.replace(other.find(from), from.size(), to);
    EXPECT_NE(all_evaluations(plan({{other, "evaluation.masked_original=false"}, {"mask.seed=0..1"}, {}})), keys) << to;
  }
}

TEST_F(PlanTest, AMaskIsPutOnTheChangeOrTheMatrixAlone) {
  auto const p = plan({{"evaluation.baselines=[random]", "evaluation.cover=[both, delta, weight]"}, {}, {}});
  EXPECT_THAT(names(p),
              ElementsAre("original", "edited", "mask", "random (mask)", "cover delta (mask)", "random, cover delta (mask)",
                          "cover weight (mask)", "random, cover weight (mask)", "original (mask)"));
  // On the change alone it leaves the unedited model as it is.
  EXPECT_THAT(names(plan({{"evaluation.baselines=[]", "evaluation.cover=[delta]"}, {}, {}})),
              ElementsAre("original", "edited", "cover delta (mask)"));
}

TEST_F(PlanTest, ModelsWithTheAttentionOfOthersBelongToTheirMaskOrToNone) {
  std::string const list =
      "evaluation.patch=[edited+attention(original), edited+attention(mask), original+attention(edited) at subject]";
  auto const p = plan({{list, "evaluation.baselines=[]", "evaluation.cover=[both, delta]"}, {"mask.seed=0..1"}, {}});
  EXPECT_THAT(names(p), ElementsAre("original", "edited", "edited+attention(original)", "original+attention(edited) at subject",
                                    "mask.seed=0", "cover delta (mask.seed=0)", "edited+attention(mask) (mask.seed=0)",
                                    "edited+attention(mask), cover delta (mask.seed=0)", "original (mask.seed=0)", "mask.seed=1",
                                    "cover delta (mask.seed=1)", "edited+attention(mask) (mask.seed=1)",
                                    "edited+attention(mask), cover delta (mask.seed=1)", "original (mask.seed=1)"));
  EXPECT_EQ(p.conditions[3].kind, ConditionKind::patched);
  EXPECT_EQ(p.conditions[3].patch, patch_of("original+attention(edited) at subject"));
  EXPECT_EQ(variant_of(p.conditions[3]), "original+attention(edited) at subject");
  EXPECT_EQ(variant_of(p.conditions[7]), "edited+attention(mask), cover delta");
  // Other patches are other scores, of the group that they belong to.
  auto other = list;
  other.replace(other.find(" at subject"), std::string(" at subject").size(), " at last");
  auto const changed = plan({{other, "evaluation.baselines=[]", "evaluation.cover=[both, delta]"}, {"mask.seed=0..1"}, {}});
  for (std::size_t t = 0; t < p.evaluations.size(); ++t)
    EXPECT_EQ(p.evaluations[t].key == changed.evaluations[t].key, p.evaluations[t].mask >= 0);
}

TEST_F(PlanTest, PatchesThatCannotBeAreRefused) {
  auto const complaint = [&](StudyOverrides const& overrides) { return complaint_of([&] { plan(overrides); }); };
  EXPECT_THAT(complaint({{"evaluation.patch=[edited+attention(mask)]", "mask=none"}, {}, {}}),
              HasSubstr("'edited+attention(mask)' of 'evaluation.patch' needs a model under a mask, but the study trains none."));
  EXPECT_EQ(complaint({{"evaluation.patch=[edited+attention(original)]", "mask=none"}, {}, {}}), "");
  for (auto const* writes : {"evaluation.generate=3", "evaluation.entropy=3"})
    EXPECT_THAT(complaint({{"evaluation.patch=[edited+attention(original)]", writes}, {}, {}}),
                HasSubstr("lets its models write texts"))
        << writes;
}

TEST_F(BatchPlanTest, BaselinesThatCannotBeAreRefused) {
  auto const complaint = [&](auto const& call) { return complaint_of(call); };
  auto const with = [](std::string const& baseline) { return "evaluation.baselines=[" + baseline + "]"; };
  std::string const per_fact = with("{score: magnitude, scope: fact, zeros: 0.05}");
  EXPECT_THAT(complaint([&] { batch_plan({per_fact}); }),
              AllOf(HasSubstr("'magnitude per fact, zeros 0.05'"), HasSubstr("memit edits the layers 0, 1")));
  EXPECT_EQ(complaint([&] { batch_plan({per_fact, "edit.layers=[1]"}); }), "");
  EXPECT_THAT(complaint([&] {
                batch_plan({with("{score: gradient, zeros: 0.05}"), "edit.layers=[1]"});
              }),
              AllOf(HasSubstr("'gradient per fact, zeros 0.05'"), HasSubstr("a model that they share")));
  EXPECT_THAT(complaint([&] { batch_plan({with("{score: bottom_rank, k: 1}")}); }),
              HasSubstr("changes the edited matrix of one layer"));
  EXPECT_THAT(complaint([&] {
                batch_plan({with("{score: magnitude_columns}"), "mask.layers=all"});
              }),
              HasSubstr("prunes columns of one matrix"));
  for (auto const* baseline : {"{score: magnitude, scope: fact}", "{score: magnitude, zeros: 0.05}"}) {
    EXPECT_THAT(complaint([&] {
                  plan({{with(baseline), "mask=none"}, {}, {}});
                }),
                HasSubstr("Give it 'scope: fact' and 'zeros', or train a mask."))
        << baseline;
  }
  EXPECT_EQ(complaint([&] { plan({{per_fact, "mask=none"}, {}, {}}); }), "");
}

TEST_F(PlanTest, ConditionsOfASweepHaveNamesOfTheirOwn) {
  auto const p = plan({{"evaluation.baselines=[random]"}, {"edit.v_lr=0.5,1", "mask.seed=0..1"}, {}});
  auto const all = names(p);
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), all.size());
  EXPECT_EQ(all.size(), 2U * (2 + 2 * 3));
  EXPECT_EQ(all[0], "original (edit.v_lr=0.5)");
  EXPECT_EQ(all[2], "edit.v_lr=0.5 mask.seed=0");
  EXPECT_EQ(all[3], "random (edit.v_lr=0.5 mask.seed=0)");
  EXPECT_EQ(p.conditions[8].kind, ConditionKind::original);
  EXPECT_EQ(p.conditions[8].set, 1U);
  EXPECT_EQ(p.conditions[8].mask, -1);
  EXPECT_EQ(p.conditions[10].kind, ConditionKind::mask);
  EXPECT_EQ(p.conditions[10].mask, 2);
  EXPECT_EQ(p.conditions[12].kind, ConditionKind::original_masked);
}

TEST_F(PlanTest, AMaskIsToldFromTheEditsThatItIsOver) {
  auto const p = plan({{"evaluation.baselines=[]"}, {"edit.v_lr=0.5,1"}, {}});
  EXPECT_THAT(names(p), ElementsAre("original (edit.v_lr=0.5)", "edited (edit.v_lr=0.5)", "edit.v_lr=0.5 mask",
                                    "original (edit.v_lr=0.5 mask)", "original (edit.v_lr=1)", "edited (edit.v_lr=1)",
                                    "edit.v_lr=1 mask", "original (edit.v_lr=1 mask)"));
}

/// Perplexity over a text of two pieces.
class TextPlanTest : public BatchPlanTest {
 protected:
  Plan text_plan(StudyOverrides const& overrides, std::vector<TextPiece> const& text = {{"a", 5}, {"b", 3}}) const {
    return plan_of(read(overrides), text);
  }
  static std::vector<std::string> texts(Plan const& plan) {
    std::vector<std::string> result;
    for (auto const& model : plan.text_models) result.push_back(plan.conditions[model.condition].name + " on " + model.split);
    return result;
  }
};

TEST_F(TextPlanTest, TheModelWithoutTheMatrixIsScoredOnceForAllEditsOfALayer) {
  auto const p = text_plan({{"evaluation.drop=true"}, {"edit.v_lr=0.5,1"}, {}});
  EXPECT_THAT(texts(p), testing::IsSupersetOf({"dropped (edit.v_lr=0.5) on all", "dropped (edit.v_lr=1) on all"}));
  std::set<std::string> keys;
  for (auto const& model : p.text_models) {
    if (p.conditions[model.condition].kind == ConditionKind::dropped) keys.insert(model.keys.begin(), model.keys.end());
  }
  EXPECT_EQ(keys.size(), 2U);  // pieces
  for (auto const& model : p.text_models) {
    bool const unedited = p.conditions[model.condition].kind == ConditionKind::original;
    EXPECT_FALSE(unedited && keys.contains(model.keys[0]));
  }
}

TEST_F(TextPlanTest, ModelsThatAllFactsShareAreScored) {
  auto const p = text_plan({{}, {"mask.seed=0..1"}, {}});
  EXPECT_THAT(texts(p), ElementsAre("original on all", "original (mask.seed=0) on all", "original (mask.seed=1) on all"));
  EXPECT_EQ(p.text_tokens, 8);
  ASSERT_EQ(p.text_tasks.size(), 6U);
  EXPECT_EQ(p.text_tasks[3].model, 1U);
  EXPECT_EQ(p.text_tasks[3].piece, 1U);
  EXPECT_EQ(p.text_tasks[3].key, p.text_models[1].keys[1]);
  auto const without = text_plan({{}, {"mask.seed=0..1"}, {}}, {});
  EXPECT_EQ(p.tasks(), without.tasks() + 6);
  EXPECT_NE(p.id, without.id);
  EXPECT_EQ(all_evaluations(p), all_evaluations(without));
  EXPECT_TRUE(texts(without).empty());
}

TEST_F(TextPlanTest, EditedModelsOfBatchesToo) {
  std::vector<std::string> set{"edit.method=memit", "edit.layers=[0, 1]", "moments.text=corpus.txt"};
  auto const p = text_plan({set, {}, {}});
  EXPECT_THAT(texts(p), ElementsAre("original on all", "edited on train", "edited on heldout", "mask on train", "mask on heldout",
                                    "original (mask) on all"));
  EXPECT_EQ(p.text_models[1].edited, p.solves[0].key);
  EXPECT_EQ(p.text_tasks.size(), 12U);
  // Facts in several models share none.
  set.insert(set.end(), {"edit.facts_per_model=10", "mask=none"});
  EXPECT_THAT(texts(text_plan({set, {}, {}})), ElementsAre("original on all", "edited on heldout"));
}

TEST_F(TextPlanTest, EditedModelsOfSomeFacts) {
  auto const p = text_plan({{"perplexity.text=corpus.txt", "perplexity.facts=3"}, {}, {}});
  std::map<std::string, std::vector<std::size_t>> drawn;
  for (auto const& model : p.text_models) {
    if (!model.fact) continue;
    drawn[p.conditions[model.condition].name].push_back(*model.fact);
    EXPECT_EQ(model.edited, p.sets[0].keys[*model.fact]);
    EXPECT_EQ(model.split, p.facts[*model.fact].split);
  }
  ASSERT_THAT(drawn, testing::SizeIs(2));
  EXPECT_THAT(drawn.at("edited"), testing::SizeIs(6));  // of two splits
  EXPECT_EQ(drawn.at("edited"), drawn.at("mask"));
  std::set<std::string> keys;
  for (auto const& task : p.text_tasks) EXPECT_TRUE(keys.insert(task.key).second);
  EXPECT_EQ(p.text_tasks.size(), 2 * (2 + 12U));
}

TEST_F(TextPlanTest, EqualModelsAreScoredOnce) {
  auto const p = text_plan({{"mask=none"}, {"edit.v_lr=0.5,1"}, {}});
  EXPECT_EQ(p.text_models.size(), 2U);
  EXPECT_EQ(p.text_tasks.size(), 2U);
  EXPECT_EQ(p.text_models[0].keys, p.text_models[1].keys);
  auto const thresholds = text_plan({{}, {"mask.threshold=0.6,0.7"}, {}});
  EXPECT_EQ(thresholds.text_tasks.size(), 6U);
  EXPECT_EQ(text_plan({{}, {}, {}}, {{"a", 5}}).text_tasks[0].key, p.text_tasks[0].key);
}

TEST_F(PlanTest, MasksKnowTheirSettings) {
  auto const p = plan({{}, {"mask.threshold=0.6,0.7", "mask.seed=0..1", "edit.v_lr=1"}, {}});
  EXPECT_EQ(p.masks[1].settings, "mask.threshold=0.6");
  EXPECT_EQ(p.masks[2].settings, "mask.threshold=0.7");
  EXPECT_EQ(p.sets[0].name, "edit.v_lr=1");
}

TEST_F(PlanTest, AMaskOfSomeTrainingFactsIsNotScoredOnTheOthers) {
  std::vector<std::string> const set{"evaluation.batch=5", "mask.validation_share=0.1"};
  auto const p = plan({set, {"mask.train_relations=all,P2", "mask.train_per_relation=0,3"}, {}});
  ASSERT_EQ(p.masks.size(), 4U);
  auto const number = [&](std::size_t m) { return std::pair(p.masks[m].training.size(), p.masks[m].held_back.size()); };
  EXPECT_EQ(number(0), std::pair(std::size_t{18}, std::size_t{2}));
  EXPECT_EQ(p.masks[1].training.size() + p.masks[1].held_back.size(), 6U);
  EXPECT_EQ(p.masks[2].training.size() + p.masks[2].held_back.size(), 10U);
  EXPECT_EQ(p.masks[3].training.size() + p.masks[3].held_back.size(), 3U);
  for (std::size_t f = 0; f < p.facts.size(); ++f) {
    EXPECT_TRUE(is_scored(p.masks[0], f));
    EXPECT_EQ(is_scored(p.masks[1], f), f % 10 < 3 || f >= 20) << f;
    EXPECT_EQ(is_scored(p.masks[2], f), f >= 10) << f;
  }
  auto const scored = [&](std::ptrdiff_t mask) {
    std::vector<std::size_t> first;
    for (auto const& task : p.evaluations) {
      if (task.mask == mask) first.push_back(task.first);
    }
    return first;
  };
  EXPECT_THAT(scored(-1), ElementsAre(0, 5, 10, 15, 20));
  EXPECT_THAT(scored(1), ElementsAre(0, 10, 20));
  EXPECT_THAT(scored(2), ElementsAre(10, 15, 20));
  EXPECT_THAT(scored(3), ElementsAre(10, 20));
  // All of its relations, or as many facts as there are, is the same mask.
  EXPECT_EQ(plan({{"mask.train_relations=[P1, P2]"}, {}, {}}).masks[0].key, plan().masks[0].key);
  EXPECT_EQ(plan({{"mask.train_per_relation=10"}, {}, {}}).masks[0].key, plan().masks[0].key);
}

TEST_F(PlanTest, MasksThatDifferInHeldBackFactsAloneAreMasksOfTheirOwn) {
  // With a third held back, some of these masks have one more fact that is held back, and no other to train on.
  auto const p = plan({{"mask.validation_share=0.34", "mask.train_relations=P1"}, {"mask.train_per_relation=2..10"}, {}});
  std::set<std::string> keys;
  std::set<std::vector<std::size_t>> training;
  for (auto const& mask : p.masks) keys.insert(mask.key), training.insert(mask.training);
  EXPECT_EQ(keys.size(), 9U);
  EXPECT_LT(training.size(), 9U);
}

TEST_F(PlanTest, MasksNeedAFactToBeTrainedOn) {
  auto const complaint = [&](std::string const& set) { return complaint_of([&] { plan({{set}, {}, {}}); }); };
  EXPECT_THAT(complaint("mask.train_relations=P3"),
              AllOf(HasSubstr("'P3' (mask.train_relations)"), HasSubstr("split 'train' has no fact of it")));
  EXPECT_THAT(complaint("mask.train_relations=[P1, P1]"), HasSubstr("'mask.train_relations' must be all, or name"));
  EXPECT_THAT(complaint("mask.train_relations=[]"), HasSubstr("'mask.train_relations' must be all, or name"));
  EXPECT_THAT(complaint("mask.train_per_relation=-1"), HasSubstr("mask.train_per_relation"));
}

TEST_F(PlanTest, StudiesThatCannotBePlanned) {
  EXPECT_THROW(plan({{}, {"mask.validation_share=0.1,0.2"}, {}}), UserError);
  EXPECT_THROW(plan({{"facts.train.limit=0"}, {}, {}}), UserError);
  EXPECT_THROW(plan({{"facts.train.files=none*.json"}, {}, {}}), UserError);
}

}  // namespace
}  // namespace onemask::test
