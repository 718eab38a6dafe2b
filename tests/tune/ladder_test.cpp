#include "tune/ladder.hpp"

#include "support/complaint.hpp"
#include "tune/measured_rate.hpp"
#include "tune/tune_plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

LadderSpace const thirty_layers{.layers = 30, .variations = 10, .facts = 50};

TEST(TuneLadder, IsTheOneComputedByHand) {
  // Layers 0, 4, … 28, then 2 and 1 beside the best; four settings, a cross; twice the facts for half of the candidates.
  auto const ladder = make_ladder(thirty_layers, 1);
  EXPECT_THAT(ladder, ElementsAre(LadderRung{RungKind::layers, 4, 8, 0, 8}, LadderRung{RungKind::between, 2, 8, 0, 4},
                                  LadderRung{RungKind::between, 1, 8, 0, 4}, LadderRung{RungKind::settings, 1, 8, 2, 2},
                                  LadderRung{RungKind::crosses, 1, 16, 2, 1}, LadderRung{RungKind::halving, 1, 32, 2, 0},
                                  LadderRung{RungKind::halving, 1, 50, 2, 0}));
  EXPECT_EQ(edits_of(ladder), 64u + 32 + 32 + 16 + 32 + 32 + 36);
  // 15 layers and 4 between; 10 new settings; 6 kept and 3 crosses; 4 on 32 facts and 2 on 50.
  EXPECT_EQ(edits_of(make_ladder(thirty_layers, 3)), 120u + 32 + 80 + 96 + 64 + 36);
}

TEST(TuneLadder, GoesThroughTheLayerThatTracingNames) {
  auto const ladder = make_ladder(thirty_layers, 1);
  auto const through = through_layer(ladder, thirty_layers, 6);  // 2, 6, 10 … 26
  EXPECT_EQ(through.front(), (LadderRung{RungKind::layers, 4, 8, 0, 7, 2}));
  EXPECT_TRUE(std::equal(ladder.begin() + 1, ladder.end(), through.begin() + 1));
  EXPECT_EQ(through_layer(ladder, thirty_layers, 8), ladder);
  // A layer that may not be edited stands for the highest that may.
  EXPECT_EQ(through_layer(ladder, thirty_layers, 47).front().first, 1);                                      // 29
  EXPECT_EQ(through_layer(make_ladder(thirty_layers, 9), thirty_layers, 6), make_ladder(thirty_layers, 9));  // all are tried
}

TEST(TuneLadder, EndsWithSettingsThatNeedNoSearch) {
  auto space = thirty_layers;
  space.solves = true;
  auto const ladder = make_ladder(space, 1);
  EXPECT_EQ(ladder.back(), (LadderRung{RungKind::solves, 1, 50, 2, 0}));
  EXPECT_EQ(edits_of(ladder), edits_of(make_ladder(thirty_layers, 1)));
}

TEST(TuneLadder, OfOneLayerAndFewFactsTriesWhatThereIs) {
  EXPECT_THAT(make_ladder({.layers = 1, .variations = 10, .facts = 3}, 9),
              ElementsAre(LadderRung{RungKind::layers, 1, 3, 0, 1}, LadderRung{RungKind::settings, 1, 3, 1, 10},
                          LadderRung{RungKind::crosses, 1, 3, 5, 2}));
}

TEST(TuneLadder, GrowsWithTheLevelAndEndsWithAllFacts) {
  for (int layers = 1; layers < 100; ++layers) {
    for (std::size_t const facts : {1, 5, 8, 9, 50, 64, 200}) {
      LadderSpace const space{.layers = layers, .variations = 10, .facts = facts};
      auto const top = top_level(space);
      EXPECT_EQ(make_ladder(space, top), make_ladder(space, top + 1));
      std::size_t edits = 0;
      for (int level = 1; level <= top; ++level) {
        auto const ladder = make_ladder(space, level);
        EXPECT_GE(edits_of(ladder), edits);
        edits = edits_of(ladder);
        EXPECT_EQ(ladder.back().facts, facts);
        // What the hparams file says gives the same ladder.
        EXPECT_EQ(edits_of(choose_ladder(space, TuneBudget{edits, {}, ""}, {})), edits);
      }
    }
  }
}

TEST(TuneLadder, IsTheLargestWithinTheBudget) {
  auto const least = edits_of(make_ladder(thirty_layers, 1)), more = edits_of(make_ladder(thirty_layers, 2));
  EXPECT_EQ(choose_ladder(thirty_layers, TuneBudget{least, {}, ""}, {}), make_ladder(thirty_layers, 1));
  EXPECT_EQ(choose_ladder(thirty_layers, TuneBudget{more - 1, {}, ""}, {}), make_ladder(thirty_layers, 1));
  EXPECT_EQ(choose_ladder(thirty_layers, TuneBudget{more, {}, ""}, {}), make_ladder(thirty_layers, 2));
  EXPECT_EQ(choose_ladder(thirty_layers, TuneBudget{1000000, {}, ""}, {}), make_ladder(thirty_layers, top_level(thirty_layers)));
  EXPECT_EQ(choose_ladder(thirty_layers, {}, {}), make_ladder(thirty_layers, 3));
}

TEST(TuneLadder, TakesTheTimeOfItsLongestRank) {
  // 8 facts in 56 s. Two ranks: 15 layers are 8 units one after the other, 4 are 2, 10 settings 5; 6 kept and 3 crosses of two
  // units 6; 4 on 16 more facts 4; 2 on 18 more 3. Settings with more steps take longer.
  MeasuredRate const rate{.unit = 56, .overhead = 5, .ranks = 2};
  EXPECT_DOUBLE_EQ(seconds_of(make_ladder(thirty_layers, 3), thirty_layers, rate), 56 * (8 + 2 + 1.25 * (5 + 6 + 4 + 3)) + 6 * 5);
  EXPECT_EQ(choose_ladder(thirty_layers, TuneBudget{{}, 40 * 60, "40m"}, rate), make_ladder(thirty_layers, 3));
  EXPECT_EQ(choose_ladder(thirty_layers, TuneBudget{{}, 40 * 60, "40m"}, MeasuredRate{56, 5, 3}), make_ladder(thirty_layers, 6));
}

TEST(TuneLadder, RefusesABudgetThatNoneFits) {
  EXPECT_THAT(
      test::complaint_of([] {
        choose_ladder(thirty_layers, TuneBudget{243, {}, ""}, {});
      }),
      AllOf(HasSubstr("243 edits is too small: the smallest ladder takes 244 (layers 8 on 8 facts"), HasSubstr("--facts")));
  EXPECT_THAT(test::complaint_of([] {
                choose_ladder(thirty_layers, TuneBudget{{}, 300, "5m"}, MeasuredRate{56, 5, 2});
              }),
              AllOf(HasSubstr("5 min 00 s is too small"), HasSubstr("on 2 ranks (244 edits"),
                    HasSubstr("8 facts with one candidate take 56")));
}

TEST(TuneBudgets, AreEditsOrTimes) {
  EXPECT_EQ(parse_tune_budget("500edits").edits, 500u);
  EXPECT_EQ(parse_tune_budget("500edits").seconds, std::nullopt);
  EXPECT_EQ(parse_tune_budget("40m").seconds, 2400);
  for (auto const* text : {"", "edits", "0edits", "-5edits", "5 edits", "many", "99999999999999999999999edits", "0"})
    EXPECT_THAT(test::complaint_of([&] { parse_tune_budget(text); }), HasSubstr("such as 500edits, or a time such as 40m"))
        << text;
}

TEST(TuneRate, OfAStartThatContinuesAnother) {
  auto const record = [](std::string task, double seconds, int rank, int attempt) {
    return JournalRecord{.task = std::move(task), .seconds = seconds, .rank = rank, .attempt = attempt};
  };
  // The edit of the first start was lost and is done again.
  std::vector<JournalRecord> records{record("moments/1", 50, 0, 1), record("edit/1", 100, 0, 1), record("edit/1", 8, 1, 2),
                                     record("evaluation/1", 2, 0, 2)};
  auto const rate = rate_of(records, 2, 11, 2);
  EXPECT_EQ(rate.unit, 10);
  EXPECT_EQ(rate.overhead, 3);
  EXPECT_EQ(rate.ranks, 2);
  records.push_back({.task = "evaluation/2", .status = TaskStatus::failed, .seconds = 2, .rank = 1, .attempt = 2});
  EXPECT_EQ(rate_of(records, 2, 11, 2).unit, 10);
  EXPECT_EQ(rate_of(records, 2, 11, 2).overhead, 1);
  // Everything was done before: the start has only loaded the model.
  EXPECT_EQ(rate_of(records, 3, 4, 1).unit, 10);
  EXPECT_EQ(rate_of(records, 3, 4, 1).overhead, 4);
  EXPECT_THAT(test::complaint_of([&] { rate_of({}, 1, 4, 1); }), HasSubstr("journal without times"));
}

TEST(TunePlans, AreReadAsTheyWereWritten) {
  TunePlan plan{"rome",
                "v_lr: 0.5\n",
                "abc",
                50,
                "40m",
                DriftMeasure::perplexity,
                1.2,
                through_layer(make_ladder(thirty_layers, 1), thirty_layers, 6),
                MeasuredRate{7.25, 1, 2},
                6};
  auto const again = tune_plan_from_json(to_json(plan), "ladder.json");
  EXPECT_EQ(to_json(again), to_json(plan));
  EXPECT_EQ(again.ladder, plan.ladder);
  EXPECT_EQ(test::complaint_of([&] { require_same_tune(plan, again, "RUN"); }), "");
  auto other = again;
  other.peak = {};
  EXPECT_THAT(test::complaint_of([&] { require_same_tune(plan, other, "RUN"); }), HasSubstr("'layer 6', here 'none'"));
  other.budget = "41m";
  EXPECT_THAT(test::complaint_of([&] { require_same_tune(plan, other, "RUN"); }),
              AllOf(HasSubstr("The folder RUN holds a tune that differs in the budget (--budget): '40m', here '41m'")));
  for (auto const* text : {"", "{}", "[1]", "{\"method\": 3}"})
    EXPECT_THAT(test::complaint_of([&] { tune_plan_from_json(text, "ladder.json"); }),
                HasSubstr("ladder.json is not the ladder"));
}

}  // namespace
}  // namespace onemask
