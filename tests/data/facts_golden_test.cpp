#include "support/shared_files.hpp"
#include <onemask/core/file.hpp>
#include <onemask/data/split.hpp>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

/// The published splits of CounterFact.
class FactsGolden : public testing::Test {
 protected:
  void SetUp() override {
    shared_ = test::shared_folder();
    if (!shared_) GTEST_SKIP() << "needs the folder 'shared' with the CounterFact splits";
  }

  std::vector<SplitFact> select(std::vector<FactSelection> const& selections) const {
    return select_facts(selections, *shared_ / "counterfact");
  }

  static FactSelection selection(std::string const& split, std::string const& file) {
    FactSelection result;
    result.split = split;
    result.files = {file};
    return result;
  }

  std::optional<std::filesystem::path> shared_;
};

TEST_F(FactsGolden, EveryFileHasItsRecords) {
  for (std::string const relation : {"P103", "P17", "P495", "P176", "P413", "P136", "P30", "P937", "P27", "P1412"}) {
    EXPECT_EQ(read_counterfact(*shared_ / "counterfact" / ("counterfact_train" + relation + ".json")).size(), 670u);
    auto const held_out = read_counterfact(*shared_ / "counterfact" / ("counterfact_test" + relation + ".json"));
    EXPECT_EQ(held_out.size(), 170u);
    for (Fact const& fact : held_out) EXPECT_EQ(fact.relation, relation);
  }
  EXPECT_EQ(read_counterfact(*shared_ / "counterfact" / "counterfact_ood1500.json").size(), 200u);
}

TEST_F(FactsGolden, TheFirstRecordIsReadWhole) {
  Fact const fact = read_counterfact(*shared_ / "counterfact" / "counterfact_trainP103.json").front();
  EXPECT_EQ(fact.case_id, 10059);
  EXPECT_EQ(fact.question(), "The native language of Laurent Lafitte is");
  EXPECT_EQ(fact.target_new, "Russian");
  EXPECT_EQ(fact.target_true_id, "Q150");
  EXPECT_EQ(fact.neighborhood_prompts.size(), 10u);
  EXPECT_EQ(fact.paraphrase_prompts.at(1), "(1996). Laurent Lafitte is a native speaker of");
}

TEST_F(FactsGolden, KnownOverlapsOfThePublishedSplitsAreRemoved) {
  std::vector<SplitFact> const facts =
      select({selection("train", "counterfact_train*.json"), selection("test", "counterfact_test*.json")});
  std::set<std::pair<std::string, std::string>> questions;
  std::size_t training = 0;
  for (SplitFact const& fact : facts) {
    questions.emplace(fact.fact.relation, fact.fact.subject);
    training += fact.split == "train";
  }
  EXPECT_EQ(training, 6700u - 18u);
  EXPECT_EQ(facts.size() - training, 1700u - 6u - 1u);  // 6 are in the training files, 1 repeats a test record
  EXPECT_EQ(questions.size(), facts.size());
}

TEST_F(FactsGolden, SlicesAreThoseOfTheReferenceMask) {
  FactSelection train = selection("train", ""), test = selection("test", "");
  train.files.clear();
  test.files.clear();
  for (nlohmann::json const& relation :
       nlohmann::json::parse(read_file(*shared_ / "counterfact" / "counterfact_relations.json"))) {
    train.files.push_back("counterfact_train" + relation.get<std::string>() + ".json");
    test.files.push_back("counterfact_test" + relation.get<std::string>() + ".json");
  }
  train.offset_per_relation = 100;
  train.per_relation = 11;
  test.offset_per_relation = 20;
  test.per_relation = 10;
  std::vector<std::int64_t> expected, selected;
  for (char const* const file : {"mask_edits_train.json", "mask_edits_heldout.json"}) {
    nlohmann::json const content = nlohmann::json::parse(read_file(*shared_ / "golden" / file));
    for (nlohmann::json const& record : content.at("records")) expected.push_back(record.at("case_id"));
  }
  for (SplitFact const& fact : select({train, test})) selected.push_back(fact.fact.case_id);
  EXPECT_EQ(selected, expected);
}

}  // namespace
}  // namespace onemask
