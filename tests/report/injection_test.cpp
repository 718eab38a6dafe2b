#include "report/injection.hpp"

#include "report/example_study.hpp"
#include "report/finding.hpp"
#include <onemask/report/export.hpp>
#include <onemask/report/table.hpp>

#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace onemask::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// Puts the tables "injections" and "injection_scores" together.
class InjectionMaker {
 public:
  explicit InjectionMaker(std::int64_t planned, std::int64_t tokens_new = 1) : planned_(planned), tokens_new_(tokens_new) {}

  /// Of the first `scored` facts, the first `successes` say the new object.
  void model(std::string const& mask, std::string const& variant, std::int64_t successes, std::int64_t scored,
             std::string const& point = "", std::int64_t sequential = 0) {
    auto const row = std::ssize(masks_);
    masks_.push_back(mask), variants_.push_back(variant), points_.push_back(mask == "none" ? "" : point);
    sequential_.push_back(sequential), zeros_.push_back(mask == "none" ? 0 : 0.197);
    for (std::int64_t fact = 0; fact < scored; ++fact) {
      injections_.push_back(row), facts_.push_back(fact);
      lp_new_.push_back(fact < successes ? std::log(0.5) : std::log(0.1));
    }
  }
  void add_to(StudyFile& study) const {
    auto const rows = masks_.size(), scores = facts_.size();
    study.tables["injections"] = {{{"mask", masks_},
                                   {"variant", variants_},
                                   {"sequential", sequential_},
                                   {"set", Texts(rows)},
                                   {"settings", Texts(rows)},
                                   {"point", points_},
                                   {"split", Texts(rows, "heldout")},
                                   {"zeros", zeros_},
                                   {"planned", Integers(rows, planned_)},
                                   {"mask_key", Texts(rows)}}};
    study.tables["injection_scores"] = {{{"injection", injections_},
                                         {"fact", facts_},
                                         {"tokens_true", Integers(scores, 1)},
                                         {"tokens_new", Integers(scores, tokens_new_)},
                                         {"lp_true", Numbers(scores, std::log(0.25))},
                                         {"lp_new", lp_new_},
                                         {"token_accuracy", Numbers(scores, 0.5)},
                                         {"update_norm", Numbers(scores, 12.5)}}};
  }

 private:
  std::int64_t planned_, tokens_new_;
  Texts masks_, variants_, points_;
  Integers sequential_, injections_, facts_;
  Numbers zeros_, lp_new_;
};

/// A study whose masks score nothing else.
StudyFile with(InjectionMaker const& injections) {
  StudyMaker study;
  study.condition("original", "original");
  study.rsr("original", "heldout", 1, 1, 1, 30);
  auto file = study.file();
  injections.add_to(file);
  return file;
}

/// 30 facts of which 28 take an edit, under a mask 6, under an untrained one 4; an editor that knows the mask 25.
StudyFile measured(std::int64_t scored = 30) {
  InjectionMaker injections(30);
  injections.model("none", "unedited", 0, 30);
  injections.model("none", "edit", 28, 30);
  injections.model("none", "edit", 26, 30, "", 1);
  injections.model("trained", "unedited", 0, 30, "mask");
  injections.model("trained", "inject", std::min<std::int64_t>(6, scored), scored, "mask");
  injections.model("trained", "off", 28, 30, "mask");
  injections.model("trained", "adaptive", 25, 30, "mask");
  injections.model("trained", "inject", 22, 30, "mask", 1);
  injections.model("magnitude", "unedited", 3, 30, "mask");
  injections.model("magnitude", "inject", 4, 30, "mask");
  return with(injections);
}

std::vector<std::string> row_of(StudyFile const& study, std::string const& label, bool per_mask = false) {
  for (auto const& block : injection_blocks(study, per_mask)) {
    for (auto const& row : block.table.rows()) {
      if (row.front() == label) return row;
    }
  }
  return {};
}

TEST(InjectionReport, ATableOfMasksAndVariants) {
  auto const study = measured();
  auto const blocks = injection_blocks(study, false);
  ASSERT_EQ(blocks.size(), 1U);
  EXPECT_EQ(blocks[0].heading, "Editing under a mask, split heldout");
  EXPECT_EQ(blocks[0].table.rows().size(), 1U + 7);
  // McNemar's p of 22 facts on one side is 2^-21; by Holm it is the second of five.
  EXPECT_THAT(row_of(study, "trained, inject"), ElementsAre("trained, inject", "19.7", "20.0", "[7.7, 38.6]", "30/30", "20.0",
                                                            "50.0", "18.0", "100.0", "12.5", "1.9e-06"));
  EXPECT_THAT(row_of(study, "none, edit"),
              ElementsAre("none, edit", "0.0", "93.3", "[77.9, 99.2]", "30/30", "93.3", "50.0", "47.3", "100.0", "12.5", "-"));
  // A sequence is compared with the sequence without a mask: four facts on one side.
  EXPECT_EQ(row_of(study, "trained, inject, sequential").back(), "0.375");
  EXPECT_EQ(row_of(study, "magnitude, inject")[8], "90.0");  // what the unedited model knows under the mask
}

TEST(InjectionReport, SuccessIsPerTokenAndBySum) {
  InjectionMaker injections(30, 2);
  injections.model("none", "edit", 28, 30);
  // The roots of 0.5 and 0.1 are larger than 0.25; the sum of the second is not.
  auto const row = row_of(with(injections), "none, edit");
  EXPECT_EQ(row[2], "100.0");
  EXPECT_EQ(row[5], "93.3");
}

TEST(InjectionReport, NIsNeverLessInSilence) {
  EXPECT_EQ(row_of(measured(20), "trained, inject")[4], "20/30");
  InjectionMaker injections(30);
  injections.model("none", "edit", 0, 0);
  EXPECT_THAT(row_of(with(injections), "none, edit"),
              ElementsAre("none, edit", "-", "-", "-", "0/30", "-", "-", "-", "-", "-", "-"));
  EXPECT_TRUE(injection_findings(with(injections)).empty());
}

TEST(InjectionReport, MasksThatDifferInTheirSeedAreOne) {
  InjectionMaker injections(30);
  injections.model("none", "edit", 28, 30);
  injections.model("trained", "inject", 6, 30, "mask.seed=0");
  injections.model("trained", "inject", 12, 30, "mask.seed=1");
  auto const study = with(injections);
  EXPECT_EQ(row_of(study, "trained, inject (mean of 2)")[2], "30.0");
  EXPECT_TRUE(row_of(study, "  mask.seed=1").empty());
  EXPECT_EQ(row_of(study, "  mask.seed=1", true)[2], "40.0");
  EXPECT_EQ(row_of(study, "  mask.seed=1", true)[3], "[22.7, 59.4]");
}

TEST(InjectionReport, TheFindingSaysWhatPreventsEditingAndWhatDoesNot) {
  auto const all = findings(measured());
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(
      all.back(),
      "Editing under a mask: without a mask the edits make the new object likelier than the true one for 93 % [78, 99] of "
      "the 30 held-out facts. Edited and scored under the trained mask (19.7 % zeros) it is likelier for 20 % [8, 39], less "
      "than without a mask and not clearly less than under the untrained mask that blocks most (magnitude). The unedited model "
      "prefers the true object there for 100 % [88, 100]. Under untrained masks with as many zeros it is likelier for 13 % [4, "
      "31] (magnitude). An editor that knows the mask makes it likelier "
      "for 83 % [65, 94] (trained). Where the mask is taken off after it was edited under, the same edits make it likelier "
      "for 93 % [78, 99] (trained).");
}

TEST(InjectionReport, APartialStudySaysSo) {
  auto study = measured(20);
  study.attributes["status"] = "PARTIAL";
  EXPECT_THAT(findings(study).back(), HasSubstr("Editing under a mask: so far (PARTIAL: 13 of 14 tasks), without a mask"));
}

TEST(InjectionReport, EveryFormatHasIt) {
  auto const study = measured();
  EXPECT_THAT(format_table(study), HasSubstr("rewrite_acc"));
  EXPECT_THAT(laid_out(make_document(study), DocumentFormat::markdown), HasSubstr("| trained, adaptive |"));
  EXPECT_THAT(to_csv(study), HasSubstr("COMPLETE,\"trained, inject\",heldout,all,rewrite,success,0.2,"));
  auto const json = nlohmann::json::parse(to_json(study));
  EXPECT_EQ(json.at("injections").size(), 10U * 6);
  auto without = study;
  without.tables.erase("injections");
  without.tables.erase("injection_scores");
  EXPECT_THAT(format_table(without), Not(HasSubstr("rewrite_acc")));
  EXPECT_FALSE(nlohmann::json::parse(to_json(without)).contains("injections"));
}

}  // namespace
}  // namespace onemask::test
