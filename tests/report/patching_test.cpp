#include "report/patching.hpp"

#include "report/example_study.hpp"
#include <onemask/report/table.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

/// Models with the attention of others on 100 held-out facts, and the same with their own.
StudyFile patched_study(double with_edited_attention = 0.99) {
  StudyMaker study;
  Texts variants;
  auto const add = [&](std::string const& name, std::string const& kind, std::string const& variant, double rsr) {
    study.condition(name, kind);
    variants.push_back(variant);
    study.rsr(name, "heldout", rsr, rsr - 0.05, rsr + 0.05, 100);
    study.rsr(name, "train", rsr, rsr - 0.05, rsr + 0.05, 300);
  };
  add("original", "original", "", 1);
  add("edited", "edited", "", 0.03);
  add("mask", "mask", "", 0.62);
  for (auto const& [name, rsr] :
       std::vector<std::pair<std::string, double>>{{"edited+attention(original)", 0.48},
                                                   {"original+attention(edited)", with_edited_attention},
                                                   {"edited+attention(original) at subject", 0.44},
                                                   {"edited+attention(mask)", 0.18},
                                                   {"mask+attention(edited)", 0.49}})
    add(name, "patched", name, rsr);
  auto file = study.file();
  file.tables["conditions"].columns.emplace_back("variant", variants);
  return file;
}

std::string without_a_mask(std::string const& facts) {
  return "Attention: With the attention of the unedited model, the edited models prefer the true object for 48 % [43, 53] of "
         "the " +
         facts +
         ", more than with their own (3 % [-2, 8]). So the edits of 45 % of the facts need the attention that they bring. With "
         "the attention of the edited models, the unedited model prefers the true object for 99 % [94, 104] of the " +
         facts +
         ", not clearly other than with its own (100 % [95, 105]). So no difference can be told from n = " + facts.substr(0, 3) +
         " facts: -1 points. With the attention of the unedited model from the prompt's last token to the subject, the edited "
         "models prefer the true object for 44 % [39, 49] of the " +
         facts + ", more than with their own (3 % [-2, 8]).";
}

TEST(Patching, WhatTheAttentionOfAnotherModelShows) {
  EXPECT_THAT(
      patching_findings(patched_study()),
      ElementsAre(
          without_a_mask("100 held-out facts"), without_a_mask("300 training facts"),
          "Attention under the mask: With the attention of the models under the mask, the edited models prefer the true object "
          "for 18 % [13, 23] of the 100 held-out facts, more than with their own (3 % [-2, 8]). The mask gives back 59 % of the "
          "facts more than no mask, its attention alone 15 %. With the attention of the edited models, the models under the mask "
          "prefer the true object for 49 % [44, 54] of the 100 held-out facts, less than with their own (62 % [57, 67])."));
}

TEST(Patching, ParagraphsOfOneMaskStandTogether) {
  StudyMaker study;
  study.condition("edited", "edited"), study.condition("first", "patched", "", "mask.k=1");
  study.condition("second", "patched", "", "mask.k=2");
  for (auto const* split : {"heldout", "ood"}) {
    for (auto const* name : {"edited", "first", "second"}) study.rsr(name, split, 0.5, 0.4, 0.6, 100);
  }
  auto file = study.file();
  file.tables["conditions"].columns.emplace_back("variant", Texts{"", "edited+attention(mask)", "edited+attention(mask)"});
  auto const begins = [](std::string const& mask, std::string const& facts) {
    return AllOf(StartsWith("Attention under the mask, " + mask + ":"), HasSubstr("of the " + facts));
  };
  EXPECT_THAT(patching_findings(file),
              ElementsAre(begins("mask.k=1", "100 held-out facts"), begins("mask.k=1", "100 facts of 'ood'"),
                          begins("mask.k=2", "100 held-out facts"), begins("mask.k=2", "100 facts of 'ood'")));
}

TEST(Patching, AttentionThatLosesFacts) {
  EXPECT_THAT(patching_findings(patched_study(0.7)).front(),
              HasSubstr("less than with its own (100 % [95, 105]). So that attention alone loses 30 % of the facts."));
}

/// Forty facts of which the edited models prefer 20, and with the attention of the unedited model so many.
StudyFile same_facts(std::size_t with_attention) {
  StudyMaker study;
  study.condition("edited", "edited"), study.condition("edited+attention(original)", "patched");
  study.rsr("edited", "facts", 0.5, 0.35, 0.65, 40);
  auto const share = static_cast<double>(with_attention) / 40;
  study.rsr("edited+attention(original)", "facts", share, share - 0.15, share + 0.15, 40);
  Integers facts;
  for (std::int64_t fact = 0; fact < 40; ++fact) study.fact("facts"), facts.push_back(fact);
  study.restored("edited", facts, 20), study.restored("edited+attention(original)", facts, with_attention);
  auto file = study.file();
  file.tables["conditions"].columns.emplace_back("variant", Texts{"", "edited+attention(original)"});
  return file;
}

TEST(Patching, ComparesTheSameFacts) {
  // 8 facts more, none fewer: p = 2/256, though the intervals meet
  EXPECT_THAT(patching_findings(same_facts(28)).front(), HasSubstr("of the 40 facts of 'facts', more than with their own"));
  // 5 facts more, none fewer: p = 2/32
  EXPECT_THAT(patching_findings(same_facts(25)).front(),
              AllOf(HasSubstr("not clearly other than with their own (50 % [35, 65]). So no difference can be told from n = 40 "
                              "facts: 12 points ["),
                    EndsWith("]."), Not(HasSubstr("no sign"))));
}

TEST(Patching, HasRowsOfItsOwnAndADefinition) {
  auto const table = format_table(patched_study());
  EXPECT_THAT(table, HasSubstr("\nedited+attention(original) at subject  "));
  EXPECT_THAT(table, HasSubstr("X+attention(Y): the model X with the attention probabilities of the model Y"));
  EXPECT_THAT(table, HasSubstr("\nAttention under the mask: "));
  EXPECT_THAT(table, Not(HasSubstr("bottom rank, k")));
  auto const without = example_study();
  EXPECT_THAT(patching_findings(without), IsEmpty());
  EXPECT_THAT(format_table(without), Not(HasSubstr("attention")));
}

}  // namespace
}  // namespace onemask::test
