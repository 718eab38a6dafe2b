#include "report/finding.hpp"

#include "report/example_study.hpp"
#include <onemask/core/error.hpp>
#include <onemask/report/export.hpp>
#include <onemask/report/table.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace onemask::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// 300 training facts and 100 held-out ones under a mask and two baselines.
StudyMaker one_mask() {
  StudyMaker study;
  study.condition("original", "original");
  study.condition("edited", "edited");
  study.condition("mask", "mask", "", "", 0.081);
  study.condition("random (mask)", "random", "", "", 0.081);
  study.condition("delta (mask)", "delta_magnitude", "", "", 0.081);
  study.condition("original (mask)", "original_masked", "", "", 0.081);
  study.rsr("original", "train", 1, 1, 1, 300);
  study.rsr("mask", "train", 0.85, 0.83, 0.87, 300);
  study.rsr("delta (mask)", "train", 0.9, 0.89, 0.91, 300);
  study.rsr("original", "heldout", 0.98, 0.95, 1, 100);
  study.rsr("edited", "heldout", 0.04, 0.03, 0.05, 100);
  study.rsr("mask", "heldout", 0.74, 0.71, 0.77, 100);
  study.rsr("random (mask)", "heldout", 0.1, 0.05, 0.15, 100);
  study.rsr("original (mask)", "heldout", 0.97, 0.94, 1, 100);
  return study;
}

std::string only(StudyFile const& study) {
  auto const all = findings(study);
  EXPECT_EQ(all.size(), 1u);
  return all.empty() ? "" : all.front();
}

TEST(Finding, MoreThanTheBestBaseline) {
  auto study = one_mask();
  study.rsr("delta (mask)", "heldout", 0.52, 0.49, 0.55, 100);
  EXPECT_EQ(only(study.file()),
            "One mask with 8.1 % zeros restores 85 % [83, 87] of the 300 training facts. It restores 74 % [71, 77] of the 100 "
            "held-out facts, more than the best baseline (delta magnitude, 52 % [49, 55]) and more than no mask (4 % [3, 5]). "
            "Under the mask the unedited model prefers the true object for 97 % [94, 100] of the 100 held-out facts (98 % "
            "without it).");
}

TEST(Finding, NoBaselineGivesBackAny) {
  StudyMaker study;
  for (auto const* name : {"edited", "mask"}) study.condition(name, name);
  study.condition("random (mask)", "random"), study.condition("delta (mask)", "delta_magnitude");
  study.rsr("edited", "heldout", 0, 0, 0, 100), study.rsr("mask", "heldout", 0.4, 0.3, 0.5, 100);
  study.rsr("random (mask)", "heldout", 0, 0, 0, 100);
  auto single = study;
  study.rsr("delta (mask)", "heldout", 0, 0, 0, 100);
  EXPECT_THAT(
      only(study.file()),
      HasSubstr("held-out facts, more than the baselines (no baseline gives back any) and more than no mask (0 % [0, 0])"));
  EXPECT_THAT(only(single.file()), HasSubstr("held-out facts, more than the baseline (random, 0 % [0, 0]) and"));
}

TEST(Finding, NoBetterWhereTheIntervalsMeet) {
  auto study = one_mask();
  study.rsr("delta (mask)", "heldout", 0.69, 0.67, 0.71, 100);
  EXPECT_THAT(only(study.file()),
              HasSubstr(", not clearly more than the best baseline (delta magnitude, 69 % [67, 71]) and more than no mask"));
}

/// The mask gives back 74 of the held-out facts and the baseline 66 of 100, whose intervals meet.
StudyMaker overlapping(std::size_t shared) {
  auto study = one_mask();
  study.rsr("delta (mask)", "heldout", 0.66, 0.57, 0.75, 100);
  study.rsr("edited", "heldout", 0.04, 0.01, 0.08, 100);
  study.rsr("mask", "heldout", 0.74, 0.65, 0.82, 100);
  Integers facts;
  for (std::int64_t fact = 0; fact < 100; ++fact) study.fact("heldout"), facts.push_back(fact);
  study.restored("mask", facts, 74);
  for (std::int64_t fact = 0; fact < 100; ++fact) {
    // Of the baseline's facts some are the mask's, the others are not.
    auto const other = fact >= 74 && fact < 74 + 66 - static_cast<std::int64_t>(shared);
    study.score("delta (mask)", fact, fact < static_cast<std::int64_t>(shared) || other ? 1 : -1);
  }
  study.restored("edited", facts, 4);
  return study;
}

TEST(Finding, MoreOnTheSameFactsThoughTheIntervalsMeet) {
  // 8 facts more, none fewer: p = 2/256
  EXPECT_THAT(only(overlapping(66).file()),
              HasSubstr(", more than the best baseline (delta magnitude, 66 % [57, 75]) and more than no mask"));
  // 20 facts more, 12 fewer: p = 0.22
  EXPECT_THAT(only(overlapping(54).file()),
              HasSubstr(", not clearly more than the best baseline (delta magnitude, 66 % [57, 75]) and more"));
}

TEST(Finding, OfOtherFactsComparesIntervals) {
  auto study = overlapping(66);
  study.rsr("delta (mask)", "heldout", 0.66, 0.57, 0.75, 99, 100);
  EXPECT_THAT(only(study.file()),
              HasSubstr(", not clearly more than the best baseline (delta magnitude, 66 % [57, 75]) and more"));
}

TEST(Finding, LessThanABaseline) {
  auto study = one_mask();
  study.rsr("delta (mask)", "heldout", 0.8, 0.78, 0.82, 100);
  EXPECT_THAT(only(study.file()), HasSubstr(", less than the best baseline (delta magnitude, 80 % [78, 82]) and "));
}

TEST(Finding, NotMoreThanWithoutAMask) {
  auto study = one_mask();
  study.rsr("edited", "heldout", 0.7, 0.65, 0.75, 100);
  EXPECT_THAT(only(study.file()), HasSubstr(" and not clearly more than no mask (70 % [65, 75]). Under the mask"));
}

TEST(Finding, OfAPartialStudySaysSo) {
  auto study = one_mask();
  study.rsr("mask", "ood", 0.5, 0.3, 0.7, 10, 40);
  auto file = study.file();
  file.attributes["status"] = "PARTIAL";
  auto const text = only(file);
  EXPECT_TRUE(text.starts_with("So far (PARTIAL: 13 of 14 tasks), one mask with 8.1 % zeros restores 85 %")) << text;
  EXPECT_THAT(text, HasSubstr(". It restores 50 % [30, 70] of 10 of the 40 facts of 'ood'. Under the mask"));
  EXPECT_THAT(only(study.file()), Not(HasSubstr("PARTIAL")));
}

TEST(Finding, PerplexityOfTheMaskedModelAgainstTheOriginal) {
  auto study = one_mask();
  auto file = study.file();
  file.tables["perplexity"] = {{{"condition", Texts{"original", "original (mask)"}},
                                {"split", Texts{"all", "all"}},
                                {"perplexity", Numbers{20, 20.4}},
                                {"n", Integers{500, 500}},
                                {"planned", Integers{500, 500}}}};
  EXPECT_THAT(only(file), HasSubstr("(98 % without it). The mask multiplies the unedited model's perplexity by 1.020."));
  EXPECT_THAT(format_table(file), HasSubstr(R"(
Perplexity
model            perplexity  ratio  tokens/planned
unedited             20.000  1.000         500/500
unedited + mask      20.400  1.020         500/500
)"));
  // Of a part of the text it is not compared.
  std::get<Integers>(file.tables["perplexity"].columns[3].second)[1] = 400;
  EXPECT_THAT(only(file), Not(HasSubstr("perplexity")));
  EXPECT_THAT(format_table(file), HasSubstr("unedited + mask           -      -         400/500\n"));
}

TEST(Finding, WhatDroppingTheMatrixWinsAndCosts) {
  auto study = one_mask();
  study.condition("dropped", "dropped", "", "", 1);
  study.rsr("dropped", "train", 1, 1, 1, 300);
  study.rsr("dropped", "heldout", 0.96, 0.93, 0.99, 100);
  study.row("dropped", "heldout", "rewrite", "top1_changed", 0.14, 0.1, 0.2, 100, 100);
  auto file = study.file();
  EXPECT_THAT(only(file),
              HasSubstr("(98 % without it). Without any edited matrix, edited or not, the model prefers the true object for "
                        "100 % [100, 100] of the 300 training facts and 96 % [93, 99] of the 100 held-out facts (the "
                        "likeliest token stays for 86 %)."));
  file.tables["perplexity"] = {{{"condition", Texts{"original", "dropped"}},
                                {"split", Texts{"all", "all"}},
                                {"perplexity", Numbers{20, 23.4}},
                                {"n", Integers{500, 500}},
                                {"planned", Integers{500, 500}}}};
  EXPECT_THAT(only(file), HasSubstr("(the likeliest token stays for 86 %), and its perplexity is multiplied by 1.170."));
  EXPECT_THAT(format_table(file), HasSubstr("without the matrix      23.400  1.170         500/500\n"));
}

TEST(Finding, DroppingIsSpokenOfWhereNoMaskIs) {
  StudyMaker study;
  study.condition("edited", "edited");
  study.condition("dropped", "dropped", "", "", 1);
  study.row("edited", "facts", "rewrite", "success", 0.93, 0.9, 0.96, 100, 100);
  study.rsr("edited", "facts", 0.07, 0.04, 0.1, 100);
  study.rsr("dropped", "facts", 0.99, 0.97, 1, 100);
  EXPECT_THAT(only(study.file()),
              HasSubstr("Without any edited matrix, edited or not, the model prefers the true object for 99 % [97, "
                        "100] of the 100 facts of 'facts'."));
}

TEST(Finding, MasksThatAreNotScoredYetAreNotInTheMean) {
  auto study = one_mask();
  study.condition("mask 1", "mask", "", "", 0.081);
  study.condition("original (mask 1)", "original_masked", "", "", 0.081);
  study.rsr("mask 1", "train", 0.85, 0.83, 0.87, 300);
  auto file = study.file();
  file.tables["perplexity"] = {{{"condition", Texts{"original", "original (mask)", "original (mask 1)"}},
                                {"split", Texts{"all", "all", "all"}},
                                {"perplexity", Numbers{20, 20.4, 0}},
                                {"n", Integers{500, 500, 0}},
                                {"planned", Integers{500, 500, 500}}}};
  EXPECT_THAT(only(file), HasSubstr("A mask with 8.1 % zeros (mean of 1 of 2) restores"));
  EXPECT_THAT(only(file), Not(HasSubstr("perplexity")));
  EXPECT_THAT(format_table(file), HasSubstr("unedited + mask (mean of 1 of 2)      20.400  1.020"));
}

TEST(Finding, FactsHeldBackAreSpokenOfWhereThereAreNoOthers) {
  auto study = one_mask();
  study.rsr("mask", "validation", 0.8, 0.7, 0.9, 30);
  EXPECT_THAT(only(study.file()), Not(HasSubstr("held back")));
  StudyMaker small;
  small.condition("mask", "mask");
  small.rsr("mask", "train", 0.9, 0.8, 1, 10);
  small.rsr("mask", "validation", 0.8, 0.7, 0.9, 30);
  EXPECT_THAT(only(small.file()), HasSubstr("80 % [70, 90] of the 30 facts held back from training."));
}

TEST(Finding, OfAStudyWithoutMasksSpeaksOfTheEdits) {
  StudyMaker study;
  study.condition("original", "original");
  study.condition("edited", "edited");
  study.rsr("edited", "facts", 0.05, 0, 0.1, 100);
  EXPECT_EQ(only(study.file()), "No edit is scored yet.");
  study.row("edited", "facts", "rewrite", "success", 0.93, 0.9, 0.96, 100, 100);
  study.row("edited", "facts", "all", "score", 0.911, 0.9, 0.92, 90, 90);
  EXPECT_EQ(
      only(study.file()),
      "The edits make the new object likelier than the true one for 93 % [90, 96] of the 100 facts of 'facts' (score 91.1).");
}

TEST(Finding, OneForEveryWayOfEditingAndSettingOfTheMasks) {
  StudyMaker study;
  for (std::string const set : {"edit.method=rome", "edit.method=memit"}) {
    study.condition("edited " + set, "edited", set);
    for (std::string const settings : {"mask.threshold=0.6", "mask.threshold=0.7"}) {
      for (std::string const seed : {" 0", " 1"}) study.condition(set + settings + seed, "mask", set, settings, 0.1);
    }
  }
  study.rsr("edit.method=romemask.threshold=0.6 0", "train", 0.8, 0.7, 0.9, 10);
  study.rsr("edit.method=romemask.threshold=0.6 1", "train", 0.6, 0.5, 0.7, 10);
  study.rsr("edit.method=memitmask.threshold=0.7 1", "train", 0.3, 0.2, 0.4, 10);
  auto const file = study.file();
  EXPECT_THAT(
      findings(file),
      ElementsAre(
          "With edit.method=rome mask.threshold=0.6, a mask with 10.0 % zeros (mean of 2) restores 70 % [60, 80] of the "
          "10 training facts.",
          "With edit.method=rome mask.threshold=0.7, no mask is scored yet.",
          "With edit.method=memit mask.threshold=0.6, no mask is scored yet.",
          "With edit.method=memit mask.threshold=0.7, a mask with 10.0 % zeros (mean of 1 of 2) restores 30 % [20, 40] of the 10 "
          "training facts."));
  auto const table = format_table(file);
  EXPECT_THAT(table, HasSubstr(R"(
Split train, edit.method=rome
model   zeros %  RSR %  95 % interval  n/planned  paraphrases RSR %  KL  top-1 changed %
edited        -      -              -          -                  -   -                -
edited + mask, mask.threshold=0.6 (mean of 2)
           10.0   70.0   [60.0, 80.0]      10/10                  -   -                -
edited + mask, mask.threshold=0.7 (mean of 0 of 2)
              -      -              -          -                  -   -                -
)"));
  EXPECT_THAT(table, HasSubstr("\nSplit train, edit.method=memit\n"));
  EXPECT_THAT(nlohmann::json::parse(to_json(file)).at("finding"), testing::SizeIs(4));
}

TEST(Finding, NothingOfAStudyWithoutScores) {
  StudyMaker study;
  study.condition("mask", "mask");
  EXPECT_TRUE(findings(study.file()).empty());
}

TEST(Published, StandBesideTheStudysOwn) {
  auto file = one_mask().file();
  file.tables["published"] = {{{"source", Texts(3, "A paper, 2025")},
                               {"split", Texts{"train", "heldout", "ood"}},
                               {"model", Texts{"mask", "mask", "mask"}},
                               {"metric", Texts{"rsr", "zeros", "rsr"}},
                               {"value", Numbers{80, 10, 70}},
                               {"note", Texts{"over", "", ""}}}};
  EXPECT_THAT(format_table(file), HasSubstr(R"(
Published figures: A paper, 2025
edited + mask, train, rsr: published 80.0 % (over); here 85.0 % [83.0, 87.0], n 300/300
edited + mask, heldout, zeros: published 10.0 %; here 8.1 %
edited + mask, ood, rsr: published 70.0 %; not measured by this study
)"));
  std::get<Texts>(file.tables["published"].columns[2].second)[0] = "distilled";
  EXPECT_THROW(format_table(file), UserError);
}

TEST(Finding, EveryMaskKnowsTheSplitThatItWasTrainedOn) {
  StudyMaker study;
  study.condition("original", "original");
  study.condition("edited", "edited");
  for (auto const* split : {"east", "west"}) {
    auto const name = std::string("mask.train_split=") + split;
    study.condition(name, "mask", "", name, 0.1);
    study.trained_on(split);
  }
  for (auto const* on : {"east", "west"}) {
    study.rsr("original", on, 1, 1, 1, 20);
    study.rsr("edited", on, 0.1, 0.05, 0.15, 20);
    study.rsr("mask.train_split=east", on, 0.9, 0.8, 0.95, 20);
    study.rsr("mask.train_split=west", on, 0.6, 0.5, 0.7, 20);
  }
  auto const all = findings(study.file());
  ASSERT_EQ(all.size(), 2U);
  EXPECT_THAT(all[0], HasSubstr("restores 90 % [80, 95] of the 20 training facts. It restores 90 % [80, 95] of the 20 facts of "
                                "'west', more than no mask"));
  EXPECT_THAT(all[1], HasSubstr("restores 60 % [50, 70] of the 20 facts of 'east', more than no mask (10 % [5, 15]). It restores "
                                "60 % [50, 70] of the 20 training facts"));
}

}  // namespace
}  // namespace onemask::test
