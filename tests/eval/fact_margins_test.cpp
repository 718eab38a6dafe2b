#include "support/complaint.hpp"
#include "support/tiny_model.hpp"
#include "support/tiny_tokenizer.hpp"
#include <onemask/core/error.hpp>
#include <onemask/eval/fact_margins.hpp>
#include <onemask/eval/metrics.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// Facts under a tokenizer of bytes, with none to two paraphrases.
class FactMarginsTest : public testing::Test {
 protected:
  FactMarginsTest() {
    write_text(folder_ / "tokenizer.json", tiny_tokenizer({"a b", "c d", "q z", "z q"}).dump());
    std::vector<std::string> const objects{"Welsh", "Thai", "x", "Ga", "z"};
    for (std::size_t f = 0; f < 5; ++f) {
      Fact fact;
      fact.case_id = static_cast<std::int64_t>(f);
      fact.prompt = "The tongue of {} is";
      fact.subject = "Bo" + std::to_string(f);
      fact.target_true = objects[f];
      fact.target_new = objects[(f + 1) % objects.size()];
      if (f % 3 > 0) fact.paraphrase_prompts.push_back(fact.subject + " speaks");
      if (f % 3 > 1) fact.paraphrase_prompts.push_back(fact.subject + ", a native of");
      facts_.push_back(fact);
    }
    for (auto const& fact : facts_) all_.push_back(&fact);
  }

  TemporaryFolder folder_;
  std::unique_ptr<CausalLM> const model_ = tiny_gpt2().load();
  std::vector<Fact> facts_;
  std::vector<Fact const*> all_;
};

TEST_F(FactMarginsTest, AreThoseOfTheEvaluation) {
  auto const tokenizer = Tokenizer::open(folder_.path());
  std::vector<EvaluationFact> evaluated;
  for (std::size_t f = 0; f < facts_.size(); ++f) evaluated.push_back({static_cast<std::int64_t>(f), &facts_[f], nullptr});
  for (bool const space : {false, true}) {
    auto const rows = evaluate(*model_, tokenizer, 1, evaluated, {{"original", false, {}}}, {.leading_space = space});
    for (bool const paraphrases : {false, true}) {
      auto const margins = margins_of(*model_, tokenizer, all_, paraphrases, space);
      for (std::size_t f = 0; f < facts_.size(); ++f) {
        auto least = std::numeric_limits<double>::infinity();
        for (auto const& row : rows) {
          bool const counts = row.fact == static_cast<std::int64_t>(f) && (paraphrases || row.kind == PromptKind::rewrite);
          if (counts) least = std::min(least, row.lp_true - row.lp_new);
        }
        EXPECT_NEAR(margins[f].two_way, least, 1e-5) << f;
      }
    }
  }
}

TEST_F(FactMarginsTest, AWordThatIsTheLikeliestIsKnownByTop1) {
  auto const tokenizer = Tokenizer::open(folder_.path());
  auto const margins = margins_of(*model_, tokenizer, all_, false, false);
  std::vector<EvaluationFact> evaluated;
  for (std::size_t f = 0; f < facts_.size(); ++f) evaluated.push_back({static_cast<std::int64_t>(f), &facts_[f], nullptr});
  for (auto const& row :
       evaluate(*model_, tokenizer, 1, evaluated, {{"original", false, {}}}, {.kinds = {PromptKind::rewrite}})) {
    auto const& margin = margins[static_cast<std::size_t>(row.fact)];
    if (row.tokens_true == 1) {
      EXPECT_EQ(margin.top1 > 0, row.rank_true == 1);
    }
    if (row.rank_true > 1) {
      EXPECT_LT(margin.top1, 0);
    }
  }
}

TEST_F(FactMarginsTest, AreKeptAsBytes) {
  std::vector<FactMargins> const margins{{1.5, -2.25}, {-1e-300, std::numeric_limits<double>::infinity()}};
  EXPECT_EQ(fact_margins_from_bytes(to_bytes(margins), 2, "object ab"), margins);
  EXPECT_THAT(complaint_of([&] { fact_margins_from_bytes(to_bytes(margins), 3, "object ab"); }),
              AllOf(HasSubstr("object ab"), HasSubstr("3 facts"), HasSubstr("Delete it")));
  EXPECT_THROW(fact_margins_from_bytes(to_bytes(std::vector<PromptMetrics>()), 0, "object ab"), UserError);
}

TEST_F(FactMarginsTest, FactsThatAreTooLongAreNotKnown) {
  auto const tokenizer = Tokenizer::open(folder_.path());
  auto const before = margins_of(*model_, tokenizer, all_, false, false);
  facts_[1].paraphrase_prompts = {std::string(400, 'l')};
  EXPECT_EQ(margins_of(*model_, tokenizer, all_, false, false), before);
  auto const margins = margins_of(*model_, tokenizer, all_, true, false);
  EXPECT_TRUE(std::isnan(margins[1].two_way) && std::isnan(margins[1].top1));
  EXPECT_FALSE(std::isnan(margins[0].two_way) || std::isnan(margins[2].two_way));
  EXPECT_TRUE(std::isnan(margins_of(*model_, tokenizer, {all_[1]}, true, false).front().two_way));
}

}  // namespace
}  // namespace onemask::test
