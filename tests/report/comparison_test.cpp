#include "report/example_study.hpp"
#include <onemask/core/error.hpp>
#include <onemask/report/comparison.hpp>
#include <onemask/report/export.hpp>
#include <onemask/statistics/proportion.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace onemask::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// 20 held-out facts, the first of which an edited model has left alone, under masks of two seeds and a baseline of one.
StudyMaker two_seeds() {
  StudyMaker study;
  study.condition("original", "original");
  study.condition("edited", "edited");
  study.condition("mask.seed=0", "mask");
  study.condition("mask.seed=1", "mask");
  study.condition("mask.seed=1 random", "random");
  Integers facts;
  for (std::int64_t fact = 0; fact < 20; ++fact) study.fact("heldout"), facts.push_back(fact);
  study.rsr("edited", "heldout", 0.05, 0, 0.2, 20);
  study.restored("original", facts, 20);
  study.restored("edited", facts, 1);
  study.restored("mask.seed=0", facts, 12);
  study.restored("mask.seed=1", facts, 10, true);
  study.restored("mask.seed=1 random", facts, 3);
  return study;
}

ComparisonRequest request(std::string const& a, std::string const& b) {
  ComparisonRequest request{a, b, {}, {"rsr"}};
  return request;
}

Comparison only(StudyFile const& study, ComparisonRequest const& request) {
  auto const all = compare(study, request);
  EXPECT_EQ(all.size(), 1u);
  return all.front();
}

std::string complaint_about(StudyFile const& study, ComparisonRequest const& request) {
  try {
    compare(study, request);
  } catch (UserError const& error) {
    return error.what();
  }
  return "";
}

/// The same, with two covers of the masks and a baseline of each fact.
StudyFile with_variants() {
  auto study = two_seeds();
  study.condition("delta 0", "mask");
  study.condition("delta 1", "mask");
  study.condition("bottom rank, k 1", "bottom_rank");
  Integers facts;
  for (std::int64_t fact = 0; fact < 20; ++fact) facts.push_back(fact);
  study.restored("delta 0", facts, 9);
  study.restored("delta 1", facts, 8);
  study.restored("bottom rank, k 1", facts, 15);
  auto file = study.file();
  file.tables["conditions"].columns.emplace_back("variant",
                                                 Texts{"", "", "", "", "", "cover delta", "cover delta", "bottom rank, k 1"});
  for (auto& [name, column] : file.tables["conditions"].columns) {
    if (name != "point") continue;
    auto& points = std::get<Texts>(column);
    points[5] = "mask.seed=0", points[6] = "mask.seed=1";
  }
  return file;
}

TEST(Compare, NamesChooseAmongVariants) {
  auto const study = with_variants();
  auto const b_of = [&](std::string const& a, std::string const& b) {
    std::vector<std::string> labels;
    for (auto const& one : compare(study, request(a, b))) labels.push_back(one.a + " / " + one.b);
    return labels;
  };
  using testing::ElementsAre;
  EXPECT_THAT(b_of("mask, cover both", "edited"), ElementsAre("edited + mask / edited"));
  EXPECT_THAT(b_of("mask", "edited"), ElementsAre("edited + mask / edited", "edited + mask, cover delta / edited"));
  EXPECT_THAT(b_of("mask", "mask, cover delta"), ElementsAre("edited + mask / edited + mask, cover delta"));
  EXPECT_THAT(b_of("bottom_rank, k 1", "edited"), ElementsAre("edited + bottom rank, k 1 / edited"));
  EXPECT_THAT(b_of("edited + bottom rank, k 1", "edited"), ElementsAre("edited + bottom rank, k 1 / edited"));
  EXPECT_THAT(complaint_about(study, request("bottom_rank", "bottom rank, k 1")), HasSubstr("are the same models"));
}

TEST(Compare, WhatIsNamedTwiceIsComparedOnce) {
  auto twice = request("mask, mask.seed=0", "edited");
  twice.splits = {"heldout", "heldout"}, twice.metrics = {"rsr", "rsr"};
  EXPECT_EQ(compare(two_seeds().file(), twice).size(), 1u);
}

TEST(Compare, OneModelOfEachByMcNemar) {
  auto const got = only(two_seeds().file(), request("mask, mask.seed=0", "edited"));
  EXPECT_EQ(got.counts, (PairedCounts{1, 11, 0, 8}));
  EXPECT_DOUBLE_EQ(got.p, 2 / 2048.0);
  EXPECT_EQ(got.p_holm, got.p);
  EXPECT_DOUBLE_EQ(got.difference.mean, 0.55);
  EXPECT_EQ(got.test, "McNemar, exact");
  EXPECT_EQ(got.seeds, 1u);
  EXPECT_THAT(verdict(got), StartsWith("edited + mask, mask.seed=0 gives back 11 of 20 facts more ["));
  EXPECT_THAT(verdict(got), HasSubstr("] than edited (p = 9.8e-04 after Holm)."));
}

TEST(Compare, FewerFactsInWords) {
  EXPECT_THAT(verdict(only(two_seeds().file(), request("edited", "mask, mask.seed=0"))),
              StartsWith("edited gives back 11 of 20 facts fewer ["));
}

TEST(Compare, SeveralSeedsTogether) {
  auto const got = only(two_seeds().file(), request("edited + mask", "edited"));
  EXPECT_EQ(got.seeds, 2u);
  EXPECT_DOUBLE_EQ(got.mean_a.mean, 11 / 20.0);
  EXPECT_EQ(got.counts, (PairedCounts{1, 21, 1, 17}));
  EXPECT_EQ(got.test, "two-way bootstrap");
  EXPECT_LT(got.p, 0.05);
  EXPECT_THAT(verdict(got), HasSubstr("gives back 10 of 20 facts more"));
  EXPECT_THAT(verdict(got), HasSubstr("after Holm, effective n "));
}

TEST(Compare, AWidthAlsoWhereAllFactsAndSeedsAgree) {
  auto study = two_seeds();
  Integers facts;
  for (std::int64_t fact = 0; fact < 20; ++fact) facts.push_back(fact);
  for (auto const* name : {"full 0", "full 1"}) study.condition(name, "mask"), study.restored(name, facts, 20);
  study.condition("none", "bottom_rank");
  study.restored("none", facts, 0);
  auto file = study.file();
  file.tables["conditions"].columns.emplace_back("variant",
                                                 Texts{"", "", "", "", "", "cover delta", "cover delta", "bottom rank, k 1"});
  for (auto& [name, column] : file.tables["conditions"].columns) {
    if (name == "point") std::get<Texts>(column)[5] = "mask.seed=0", std::get<Texts>(column)[6] = "mask.seed=1";
  }
  auto const more = only(file, request("mask, cover delta", "bottom_rank, k 1"));
  EXPECT_EQ(more.test, "two-way bootstrap");
  EXPECT_NEAR(more.mean_a.interval.low, clopper_pearson(20, 20).low, 1e-12);
  EXPECT_NEAR(more.mean_b.interval.high, clopper_pearson(0, 20).high, 1e-12);
  EXPECT_NEAR(more.difference.interval.low, paired_share_difference({0, 20, 0, 0}).low, 1e-12);
  auto const as_many = only(file, request("mask, cover delta", "original"));
  EXPECT_NEAR(as_many.difference.interval.low, paired_share_difference({20, 0, 0, 0}).low, 1e-12);
  EXPECT_LT(as_many.difference.interval.low, 0);
}

TEST(Compare, MasksArePairedWithTheBaselineOfTheirSeed) {
  auto const got = only(two_seeds().file(), request("mask", "random"));
  EXPECT_EQ(got.seeds, 1u);
  EXPECT_EQ(got.seeds_planned, 2u);
  EXPECT_DOUBLE_EQ(got.mean_a.mean, 0.5);  // of the second seed
  EXPECT_EQ(got.counts, (PairedCounts{0, 10, 3, 7}));
}

TEST(Compare, NothingIsToldWhereNothingCanBe) {
  auto const got = only(two_seeds().file(), request("mask, mask.seed=0", "mask, mask.seed=1"));
  EXPECT_GT(got.p, 0.05);
  EXPECT_THAT(verdict(got),
              StartsWith("No difference in rsr between edited + mask, mask.seed=0 and edited + mask, mask.seed=1 can be "
                         "told from n = 20 facts: 10.0 ["));
}

TEST(Compare, OnlyFactsThatBothAreScoredOn) {
  auto study = two_seeds();
  study.fact("heldout"), study.fact("ood");
  study.score("mask.seed=0", 20, 1), study.score("mask.seed=0", 21, 1);
  study.score("edited", 20, std::numeric_limits<double>::quiet_NaN());
  study.rsr("edited", "heldout", 0.05, 0, 0.2, 20, 21);
  auto const all = compare(study.file(), request("mask, mask.seed=0", "edited"));
  ASSERT_EQ(all.size(), 1u);  // none of ood
  EXPECT_EQ(all.front().n, 20);
  EXPECT_EQ(all.front().planned, 21);
  auto file = study.file();
  for (auto& fact : std::get<Integers>(file.tables["metrics"].columns[0].second)) fact = fact == 21 ? 22 : fact;
  EXPECT_THAT(complaint_about(file, request("mask", "edited")),
              HasSubstr("is of condition 2 and fact 22, which it does not have"));
}

TEST(Compare, NumbersByWilcoxon) {
  StudyMaker study;
  study.condition("original", "original"), study.condition("edited", "edited");
  study.rsr("edited", "heldout", 0, 0, 0, 4);
  for (std::int64_t fact = 0; fact < 4; ++fact) {
    study.fact("heldout");
    study.score("original", fact, 1), study.score("edited", fact, 1.0 - static_cast<double>(fact + 1));
  }
  auto wanted = request("original", "edited");
  wanted.metrics = {"rsm", "kl"};
  auto const all = compare(study.file(), wanted);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].difference.mean, 2.5);  // 1, 2, 3 and 4
  EXPECT_EQ(all[0].difference.median, 2.5);
  EXPECT_EQ(all[0].mean_b.median, -1.5);
  EXPECT_EQ(all[0].rank_biserial, 1);
  EXPECT_DOUBLE_EQ(all[0].dz, 2.5 / std::sqrt(5 / 3.0));
  EXPECT_DOUBLE_EQ(all[0].p, 2 / 16.0);
  EXPECT_DOUBLE_EQ(all[0].p_holm, 2 * 2 / 16.0);
  EXPECT_EQ(all[0].test, "Wilcoxon, exact");
  EXPECT_EQ(all[1].p, 1);  // no KL differs
}

TEST(Compare, SettingsAndWaysOfEditingAreComparedEachForItself) {
  StudyMaker study;
  for (std::string const set : {"edit.method=rome", "edit.method=memit"}) {
    study.condition("edited (" + set + ")", "edited", set);
    for (std::string const settings : {"mask.threshold=0.6", "mask.threshold=0.7"})
      study.condition(set + " " + settings, "mask", set, settings);
  }
  study.rsr("edited (edit.method=rome)", "heldout", 0, 0, 0, 2);
  for (std::int64_t fact : {0, 1}) {
    study.fact("heldout");
    for (std::string const set : {"edit.method=rome", "edit.method=memit"}) {
      study.score("edited (" + set + ")", fact, -1);
      study.score(set + " mask.threshold=0.6", fact, 1), study.score(set + " mask.threshold=0.7", fact, 1);
    }
  }
  auto const file = study.file();
  EXPECT_EQ(compare(file, request("mask", "edited")).size(), 4u);
  EXPECT_EQ(compare(file, request("mask, mask.threshold=0.7", "edited")).size(), 2u);
  auto const across = only(file, request("edited, edit.method=rome", "edited, edit.method=memit"));
  EXPECT_EQ(across.edits, "");
  EXPECT_EQ(across.a, "edited, edit.method=rome");
  EXPECT_THAT(complaint_about(file, request("mask, mask.threshold=0.8", "edited")),
              HasSubstr("has no condition 'mask, mask.threshold=0.8'. It has: edited, mask. Behind a comma stands which of them: "
                        "edit.method=memit, edit.method=rome, mask.threshold=0.6, mask.threshold=0.7."));
}

TEST(Compare, RefusesWhatTheStudyDoesNotHave) {
  auto const file = two_seeds().file();
  EXPECT_THAT(complaint_about(file, request("msk", "edited")),
              StartsWith("The study has no condition 'msk'. Did you mean 'mask'? It has: "));
  EXPECT_THAT(complaint_about(file, request("edited", "edited")), HasSubstr("are the same models"));
  auto wanted = request("mask", "edited");
  wanted.splits = {"hedout"};
  EXPECT_THAT(complaint_about(file, wanted), HasSubstr("no split 'hedout'. Did you mean 'heldout'?"));
  wanted = request("mask", "edited");
  wanted.metrics = {"rsx"};
  EXPECT_THAT(complaint_about(file, wanted), HasSubstr("'rsx' is not a metric of rewrite prompts"));
  wanted.metrics = {"success"}, wanted.prompts = "neighborhood";
  EXPECT_THAT(complaint_about(file, wanted), HasSubstr("No fact of these splits is scored under both"));
}

TEST(Compare, AsTextAndTable) {
  auto const file = two_seeds().file();
  auto wanted = request("mask, mask.seed=0", "edited");
  wanted.cluster_relations = true;
  auto const all = compare(file, wanted);
  EXPECT_THAT(
      format_comparisons(file, wanted, all),
      HasSubstr("\nSplit heldout, rewrite prompts: edited + mask, mask.seed=0 (a) against edited (b), 2 relations resampled\n"));
  auto const list = nlohmann::json::parse(to_json(comparison_table(file, wanted, all)));
  EXPECT_EQ(list.at(0).at("only_a"), 11);
  EXPECT_EQ(list.at(0).at("relations"), 2);
  EXPECT_EQ(list.at(0).at("status"), "COMPLETE");
  EXPECT_THAT(to_csv(comparison_table(file, wanted, all)), StartsWith("status,set,split,prompts,facts,a,b,metric,mean_a,"));
}

}  // namespace
}  // namespace onemask::test
