#include "data/records.hpp"
#include "support/complaint.hpp"
#include "support/temporary_folder.hpp"
#include <onemask/core/error.hpp>
#include <onemask/data/split.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using Ids = std::vector<std::int64_t>;

/// Two files: case_id 0 … 9 of P1 and 10 … 14 of P2; 20 … 29 of P3.
class Split : public testing::Test {
 protected:
  Split() {
    write("train_a.json", 0, 10, "P1", {});
    write("train_b.json", 10, 15, "P2", {});
    write("test_c.json", 20, 30, "P3", {});
  }

  void write(std::string const& name, int begin, int end, std::string const& relation, json records) {
    for (int id = begin; id < end; ++id) records.push_back(test::record(id, relation, "S" + std::to_string(id)));
    test::write_records(folder_ / name, records);
  }

  Ids ids(std::vector<FactSelection> const& selections) const {
    Ids result;
    for (SplitFact const& fact : select_facts(selections, folder_.path())) result.push_back(fact.fact.case_id);
    return result;
  }

  std::string message_of(std::vector<FactSelection> const& selections) const {
    return test::complaint_of([&] { select_facts(selections, folder_.path()); });
  }

  static FactSelection all_of(std::string const& split, std::string const& file) {
    FactSelection selection;
    selection.split = split;
    selection.files = {file};
    return selection;
  }

  test::TemporaryFolder folder_;
};

TEST_F(Split, TakesASliceOfEachRelationInTheOrderOfTheFiles) {
  FactSelection selection = all_of("train", "train_*.json");
  selection.offset_per_relation = 2;
  selection.per_relation = 3;
  EXPECT_THAT(ids({selection}), ElementsAre(2, 3, 4, 12, 13, 14));
  selection.limit = 4;
  EXPECT_THAT(ids({selection}), ElementsAre(2, 3, 4, 12));
  selection.relations = {"P2"};
  EXPECT_THAT(ids({selection}), ElementsAre(12, 13, 14));
  selection.files = {"train_b.json", "test_c.json"};
  selection.relations = {"P3", "P2"};
  EXPECT_THAT(ids({selection}), ElementsAre(12, 13, 14, 22));
  selection.per_relation.reset();
  selection.limit.reset();
  EXPECT_EQ(ids({selection}).size(), 3u + 8u);
}

TEST_F(Split, NamesTheSplitOfEachFact) {
  FactSelection const absolute = all_of("test", (folder_ / "test_c.json").string());
  std::vector<SplitFact> const facts = select_facts({all_of("train", "train_b.json"), absolute}, folder_.path());
  ASSERT_EQ(facts.size(), 15u);
  for (SplitFact const& fact : facts) EXPECT_EQ(fact.split, fact.fact.relation == "P2" ? "train" : "test");
}

TEST_F(Split, StarsStandForAnyText) {
  write("a.b.json", 50, 51, "P9", {});
  EXPECT_THAT(ids({all_of("x", "a*b*.json")}), ElementsAre(50));
  EXPECT_EQ(ids({all_of("x", "*")}).size(), 26u);
  EXPECT_EQ(ids({all_of("x", "t*_*.json")}).size(), 25u);
  for (char const* const none : {"b*", "*b", "train_a.json*x", "tr*tr*", "*.*.*.json", "a.b.b*.json", "absent/*.json"}) {
    EXPECT_THAT(message_of({all_of("x", none)}), HasSubstr("no file matches")) << none;
  }
  EXPECT_THAT(message_of({all_of("x", "*/train_a.json")}), HasSubstr("name of a folder"));
}

TEST_F(Split, ShufflesByTheSeedAlone) {
  FactSelection selection = all_of("train", "train_*.json");
  selection.shuffle = true;
  selection.seed = 7;
  Ids const shuffled = ids({selection});
  EXPECT_EQ(ids({selection}), shuffled);
  Ids sorted = shuffled;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(sorted, ids({all_of("train", "train_*.json")}));
  EXPECT_NE(shuffled, sorted);
  selection.seed = 8;
  EXPECT_NE(ids({selection}), shuffled);

  selection.seed = 7;
  selection.files = {"test_c.json", "train_b.json", "train_a.json"};  // other files and another order of them
  Ids among_others = ids({selection});
  std::erase_if(among_others, [](std::int64_t id) { return id >= 20; });
  EXPECT_EQ(among_others, shuffled);
}

TEST_F(Split, SlicesOfOneSeedAreDisjoint) {
  FactSelection train = all_of("train", "train_a.json"), validation = all_of("validation", "train_a.json");
  train.shuffle = validation.shuffle = true;
  train.per_relation = validation.offset_per_relation = 6;
  Ids chosen = ids({train, validation});
  EXPECT_EQ(chosen.size(), 10u);
  std::sort(chosen.begin(), chosen.end());
  EXPECT_THAT(chosen, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST_F(Split, GivesAFactToTheFirstSplitOnly) {
  write("test_d.json", 30, 32, "P1", {test::record(3, "P1", "S3"), test::record(40, "P1", "S4"), test::record(41, "P2", "S4")});
  testing::internal::CaptureStderr();
  EXPECT_THAT(ids({all_of("train", "train_a.json"), all_of("test", "test_d.json")}),
              ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 41, 30, 31));
  std::string const log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log,
              HasSubstr("Split 'test': dropped 2 of 5 facts whose relation and subject were selected before (2 in 'train')."));
}

/// Facts of another split that the training split, train_a.json, has too: in each of the three ways, and one that it has not.
class SplitOverlap : public Split {
 protected:
  SplitOverlap() {
    auto same_prompt = test::record(42, "P5", "S6");
    write("test_d.json", 30, 31, "P1", {test::record(3, "P1", "S3"), test::record(41, "P1", "S4"), same_prompt});
  }

  std::string complaint(std::vector<FactOverlap> const& allowed, std::vector<std::string> const& training = {"train"}) const {
    auto test = all_of("test", "test_d.json");
    test.allow_overlap = allowed;
    return test::complaint_of([&] { select_facts({all_of("train", "train_a.json"), test}, folder_.path(), training); });
  }
};

TEST_F(SplitOverlap, WithTheTrainingSplitIsRefused) {
  auto const said = complaint({});
  EXPECT_THAT(said, HasSubstr("split 'test' has facts of the split 'train'"));
  EXPECT_THAT(said, HasSubstr("1 with the same case_id: case_id 3 (S3, P1)"));
  EXPECT_THAT(said, HasSubstr("1 with the same relation and subject under another case_id: case_id 41 (S4, P1)"));
  EXPECT_THAT(said, HasSubstr("1 with the same rewrite prompt under another relation or subject: case_id 42 (S6, P5)"));
  EXPECT_THAT(said, HasSubstr("facts.test.allow_overlap: [case, subject, prompt]"));
  EXPECT_EQ(complaint({}, {"other"}), "");  // a split that the study does not train on
  EXPECT_EQ(complaint({}, {}), "");
  EXPECT_THAT(complaint({}, {"test"}), HasSubstr("split 'train' has facts of the split 'test'"));
}

TEST_F(SplitOverlap, OfTwoTrainingSplitsTheLaterOneIsAsked) {
  std::vector<std::string> const both{"train", "test"};
  EXPECT_THAT(complaint({}, both), HasSubstr("split 'test' has facts of the split 'train'"));
  testing::internal::CaptureStderr();
  EXPECT_EQ(complaint({FactOverlap::case_id, FactOverlap::subject, FactOverlap::prompt}, both), "");
  testing::internal::GetCapturedStderr();
}

TEST_F(SplitOverlap, IsAllowedByName) {
  testing::internal::CaptureStderr();
  auto const only_prompt = complaint({FactOverlap::case_id, FactOverlap::subject});
  EXPECT_THAT(only_prompt, testing::AllOf(HasSubstr("case_id 42"), testing::Not(HasSubstr("case_id 3 "))));
  EXPECT_THAT(only_prompt, HasSubstr("[prompt, case, subject]"));
  EXPECT_EQ(complaint({FactOverlap::case_id, FactOverlap::subject, FactOverlap::prompt}), "");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("dropped 2 of 4 facts"));
}

TEST_F(SplitOverlap, FormsOfOneSubjectAreTheSame) {
  write("composed.json", 0, 0, "P1", {test::record(80, "P1", "Jos\u00e9 N\u00fa\u00f1ez")});
  write("other.json", 0, 0, "P1", {test::record(81, "P1", " Jose\u0301  Nu\u0301n\u0303ez\t")});
  auto const said = test::complaint_of([&] {
    select_facts({all_of("train", "composed.json"), all_of("test", "other.json")}, folder_.path(), {"train"});
  });
  EXPECT_THAT(said, HasSubstr("1 with the same relation and subject under another case_id: case_id 81"));
}

TEST_F(SplitOverlap, NamesSomeOfManyFacts) {
  write("same.json", 0, 8, "P1", {});
  auto const said = test::complaint_of([&] {
    select_facts({all_of("train", "train_a.json"), all_of("test", "same.json")}, folder_.path(), {"train"});
  });
  EXPECT_THAT(
      said, HasSubstr("8 with the same case_id: case_id 0 (S0, P1), 1 (S1, P1), 2 (S2, P1), 3 (S3, P1), 4 (S4, P1) and 3 more."));
}

TEST_F(Split, KeepsOneOfTheFactsWithTheSameQuestion) {
  write("twice.json", 0, 2, "P1", {test::record(70, "P1", "S0"), test::record(71, "P1", "S1")});
  testing::internal::CaptureStderr();
  EXPECT_THAT(ids({all_of("train", "twice.json"), all_of("train", "twice.json")}), ElementsAre(70, 71));
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("dropped 6 of 8 facts whose relation and subject were selected before (6 in 'train')"));
}

TEST_F(Split, SaysWhatItCannotSelect) {
  FactSelection selection = all_of("train", "train_*.json");
  selection.per_relation = 6;
  EXPECT_THAT(message_of({selection}), HasSubstr("split 'train': relation 'P2' has 5 facts, but 6 are wanted after the first 0"));
  selection.per_relation = SIZE_MAX;
  selection.offset_per_relation = SIZE_MAX;
  EXPECT_THAT(message_of({selection}), HasSubstr("has 10 facts"));
  selection.per_relation.reset();
  selection.offset_per_relation = 5;
  EXPECT_THAT(message_of({selection}), HasSubstr("'P2' has 5 facts, but more are wanted after the first 5"));
  selection.offset_per_relation.reset();
  selection.relations = {"P22"};
  EXPECT_THAT(message_of({selection}), testing::AllOf(HasSubstr("relation 'P22'"), HasSubstr("Did you mean 'P2'?")));
  selection.relations.clear();
  selection.limit = 0;
  EXPECT_THAT(message_of({selection}), HasSubstr("asks for 0 facts"));
  EXPECT_THAT(message_of({all_of("", "train_a.json")}), HasSubstr("no name"));
  EXPECT_THAT(message_of({FactSelection{.split = "x"}}), HasSubstr("names no files"));
  EXPECT_THAT(message_of({all_of("x", "absent.json")}), HasSubstr("absent.json"));
  EXPECT_THAT(message_of({all_of("train", "train_a.json"), all_of("test", "train_a.json")}),
              HasSubstr("split 'test' has no facts"));
}

TEST_F(Split, RefusesACaseIdOfTwoFacts) {
  write("other.json", 3, 4, "P5", {});
  EXPECT_THAT(message_of({all_of("train", "train_a.json"), all_of("test", "other.json")}),
              HasSubstr("case_id 3 is used for two facts"));
}

}  // namespace
}  // namespace onemask
