#include "support/golden_sources.hpp"
#include "support/shared_files.hpp"
#include <onemask/core/file.hpp>
#include <onemask/data/split.hpp>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace onemask::test {
namespace {

FactSelection selection(std::string const& split, std::string const& file) {
  FactSelection result;
  result.split = split;
  result.files = {file};
  return result;
}

TEST(FactsThatShip, EveryFileHasItsRecords) {
  auto const facts =
      select_facts({selection("train", "train.json"), selection("heldout", "heldout.json"), selection("ood", "ood.json")},
                   source_folder() / "res" / "facts");
  std::map<std::string, std::map<std::string, int>> count;  // by split and relation
  std::set<std::pair<std::string, std::string>> questions;
  for (auto const& item : facts) {
    auto const& fact = item.fact;
    ++count[item.split][fact.relation];
    questions.emplace(fact.relation, fact.subject);
  }
  EXPECT_EQ(questions.size(), 4300u);
  for (auto const& [split, size, relations, first] :
       std::vector<std::tuple<std::string, int, int, int>>{{"train", 300, 10, 1}, {"heldout", 100, 10, 1}, {"ood", 60, 5, 11}}) {
    for (int relation = first; relation < first + relations; ++relation)
      EXPECT_EQ(count[split][(relation < 10 ? "W0" : "W") + std::to_string(relation)], size) << split << " " << relation;
    EXPECT_EQ(std::ssize(count[split]), relations) << split;
  }
}

TEST(FactsThatShip, TheFirstRecordIsReadWhole) {
  Fact const fact = read_counterfact(source_folder() / "res" / "facts" / "train.json").front();
  EXPECT_EQ(fact.case_id, 1000);
  EXPECT_EQ(fact.question(), "Corlen Ferorshaw grew up in a home that spoke");
  EXPECT_EQ(fact.target_new, "Polish");
  EXPECT_EQ(fact.target_true_id, "W01-14");
  EXPECT_EQ(fact.neighborhood_prompts.size(), 10u);
  EXPECT_EQ(fact.paraphrase_prompts.at(1), "There were coins everywhere. In sleep Corlen Ferorshaw mutters in");
}

/// The published splits of CounterFact, where the folder `shared` is.
class PublishedFacts : public testing::TestWithParam<std::filesystem::path> {
 protected:
  std::filesystem::path folder() const { return GetParam() / "counterfact"; }
};

TEST_P(PublishedFacts, EveryFileHasItsRecords) {
  for (std::string const relation : {"P103", "P17", "P495", "P176", "P413", "P136", "P30", "P937", "P27", "P1412"}) {
    EXPECT_EQ(read_counterfact(folder() / ("counterfact_train" + relation + ".json")).size(), 670u);
    auto const held_out = read_counterfact(folder() / ("counterfact_test" + relation + ".json"));
    EXPECT_EQ(held_out.size(), 170u);
    for (Fact const& fact : held_out) EXPECT_EQ(fact.relation, relation);
  }
  EXPECT_EQ(read_counterfact(folder() / "counterfact_ood1500.json").size(), 200u);
}

TEST_P(PublishedFacts, TheFirstRecordIsReadWhole) {
  Fact const fact = read_counterfact(folder() / "counterfact_trainP103.json").front();
  EXPECT_EQ(fact.case_id, 10059);
  EXPECT_EQ(fact.question(), "The native language of Laurent Lafitte is");
  EXPECT_EQ(fact.target_new, "Russian");
  EXPECT_EQ(fact.target_true_id, "Q150");
  EXPECT_EQ(fact.neighborhood_prompts.size(), 10u);
  EXPECT_EQ(fact.paraphrase_prompts.at(1), "(1996). Laurent Lafitte is a native speaker of");
}

TEST_P(PublishedFacts, KnownOverlapsOfThePublishedSplitsAreRemoved) {
  std::vector<SplitFact> const facts =
      select_facts({selection("train", "counterfact_train*.json"), selection("test", "counterfact_test*.json")}, folder());
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

std::vector<std::filesystem::path> shared_folders() {
  auto const shared = shared_folder();
  return shared ? std::vector{*shared} : std::vector<std::filesystem::path>();
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(PublishedFacts);
INSTANTIATE_TEST_SUITE_P(Shared, PublishedFacts, testing::ValuesIn(shared_folders()), [](auto const&) { return "counterfact"; });

/// Which facts the golden masks were made with.
struct MaskFacts {
  GoldenSource source;
  std::filesystem::path folder;
  FactSelection train, heldout;
};

std::ostream& operator<<(std::ostream& out, MaskFacts const& facts) {
  return out << facts.source;
}

std::vector<MaskFacts> mask_facts() {
  std::vector<MaskFacts> result;
  for (auto const& source : golden_sources()) {
    MaskFacts facts{source, source_folder() / "res" / "facts", selection("train", "train.json"),
                    selection("heldout", "heldout.json")};
    facts.train.per_relation = 2;
    facts.heldout.per_relation = 1;
    facts.train.offset_per_relation = facts.heldout.offset_per_relation = 10;
    if (source.name == "cf_gpt2") {
      facts.folder = *shared_folder() / "counterfact";
      facts.train.files.clear();
      facts.heldout.files.clear();
      for (std::string const relation : nlohmann::json::parse(read_file(facts.folder / "counterfact_relations.json"))) {
        facts.train.files.push_back("counterfact_train" + relation + ".json");
        facts.heldout.files.push_back("counterfact_test" + relation + ".json");
      }
      facts.train.offset_per_relation = 100;
      facts.train.per_relation = 11;
      facts.heldout.offset_per_relation = 20;
      facts.heldout.per_relation = 10;
    }
    result.push_back(facts);
  }
  return result;
}

class SlicesGolden : public testing::TestWithParam<MaskFacts> {};

TEST_P(SlicesGolden, AreThoseOfTheReferenceMask) {
  auto const& [source, folder, train, heldout] = GetParam();
  std::vector<std::int64_t> expected, selected;
  for (char const* const file : {"mask_edits_train.json", "mask_edits_heldout.json"}) {
    nlohmann::json const content = nlohmann::json::parse(read_file(source.numbers / file));
    for (nlohmann::json const& record : content.at("records")) expected.push_back(record.at("case_id"));
  }
  for (SplitFact const& fact : select_facts({train, heldout}, folder)) selected.push_back(fact.fact.case_id);
  EXPECT_EQ(selected, expected);
}

INSTANTIATE_TEST_SUITE_P(Of, SlicesGolden, testing::ValuesIn(mask_facts()), testing::PrintToStringParamName());

}  // namespace
}  // namespace onemask::test
