#include "report/patching.hpp"

#include "report/example_study.hpp"
#include <onemask/report/table.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

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

TEST(Patching, WhatTheAttentionOfAnotherModelShows) {
  EXPECT_THAT(
      patching_findings(patched_study()),
      ElementsAre(
          "Attention: With the attention of the unedited model, the edited models prefer the true object for 48 % [43, 53] of "
          "the "
          "100 held-out facts, more than with their own (3 % [-2, 8]). So the edits of 45 % of the facts need the attention that "
          "they bring. With the attention of the edited models, the unedited model prefers the true object for 99 % [94, 104] of "
          "the 100 held-out facts, not clearly other than with its own (100 % [95, 105]). So there is no sign that this "
          "attention "
          "alone makes an edit. With the attention of the unedited model from the prompt's last token to the subject, the edited "
          "models prefer the true object for 44 % [39, 49] of the 100 held-out facts, more than with their own (3 % [-2, 8]).",
          "Attention under the mask: With the attention of the models under the mask, the edited models prefer the true object "
          "for "
          "18 % [13, 23] of the 100 held-out facts, more than with their own (3 % [-2, 8]). So of the 59 % of the facts that the "
          "mask gives back, 15 % come by its attention alone. With the attention of the edited models, the models under the mask "
          "prefer the true object for 49 % [44, 54] of the 100 held-out facts, less than with their own (62 % [57, 67])."));
}

TEST(Patching, AttentionThatLosesFacts) {
  EXPECT_THAT(patching_findings(patched_study(0.7)).front(),
              HasSubstr("less than with its own (100 % [95, 105]). So that attention alone loses 30 % of the facts."));
}

TEST(Patching, ComparesTheSameFacts) {
  StudyMaker study;
  study.condition("edited", "edited"), study.condition("edited+attention(original)", "patched");
  study.rsr("edited", "facts", 0.5, 0.35, 0.65, 40), study.rsr("edited+attention(original)", "facts", 0.7, 0.55, 0.85, 40);
  Integers facts;
  for (std::int64_t fact = 0; fact < 40; ++fact) study.fact("facts"), facts.push_back(fact);
  study.restored("edited", facts, 20), study.restored("edited+attention(original)", facts, 28);
  auto file = study.file();
  file.tables["conditions"].columns.emplace_back("variant", Texts{"", "edited+attention(original)"});
  // 8 facts more, none fewer: p = 2/256, though the intervals meet
  EXPECT_THAT(patching_findings(file).front(), HasSubstr("of the 40 facts of 'facts', more than with their own"));
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
