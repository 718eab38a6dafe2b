#include "data/records.hpp"
#include "support/complaint.hpp"
#include "support/temporary_folder.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/data/counterfact.hpp>

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<Fact> read_content(json const& content) {
  test::TemporaryFolder const folder;
  test::write_records(folder / "facts.json", content);
  return read_counterfact(folder / "facts.json");
}

std::vector<Fact> read(std::vector<json> const& records) {
  return read_content(records);
}

std::string message_of_content(json const& content) {
  return test::complaint_of([&] { read_content(content); });
}

std::string message_of(std::vector<json> const& records) {
  return message_of_content(records);
}

TEST(Counterfact, KeepsEveryField) {
  Fact const fact = read({test::record(10059, "P103", "Laurent {Lafitte}")}).at(0);
  EXPECT_EQ(fact.case_id, 10059);
  EXPECT_EQ(fact.pararel_idx, 2599);
  EXPECT_EQ(fact.relation, "P103");
  EXPECT_EQ(fact.subject, "Laurent {Lafitte}");
  EXPECT_EQ(fact.question(), "The mother tongue of Laurent {Lafitte} is");
  EXPECT_EQ(fact.target_true, "French");
  EXPECT_EQ(fact.target_new, "Russian");
  EXPECT_EQ(fact.target_true_id, "Q150");
  EXPECT_EQ(fact.target_new_id, "Q7737");
  EXPECT_THAT(fact.paraphrase_prompts, ElementsAre("It rained. Laurent {Lafitte}, a native"));
  EXPECT_THAT(fact.neighborhood_prompts, ElementsAre("Jean Gabin, speaker of", "Robert Schuman, speaker of"));
  EXPECT_THAT(fact.attribute_prompts, ElementsAre("Lev Gumilyov spoke the language"));
  EXPECT_THAT(fact.generation_prompts, ElementsAre("Laurent {Lafitte} was born in"));
}

TEST(Counterfact, ListsOfPromptsMayBeAbsent) {
  json record = test::record(1, "P103", "A");
  for (char const* const name : {"pararel_idx", "paraphrase_prompts", "neighborhood_prompts", "generation_prompts"})
    record.erase(name);
  record["attribute_prompts"] = nullptr;
  record["requested_rewrite"]["target_new"].erase("id");
  Fact const fact = read({record}).at(0);
  EXPECT_EQ(fact.pararel_idx, std::nullopt);
  EXPECT_THAT(fact.paraphrase_prompts, IsEmpty());
  EXPECT_THAT(fact.attribute_prompts, IsEmpty());
  EXPECT_EQ(fact.target_new_id, "");
}

TEST(Counterfact, NamesFileRecordAndFieldOfWhatIsWrong) {
  struct Case {
    char const* at;
    json value;
    std::string message;
  };
  std::vector<Case> const cases = {
      {"/requested_rewrite", nullptr, "lacks 'requested_rewrite'"},
      {"/requested_rewrite", json::array(), "'requested_rewrite' must be an object, not array"},
      {"/requested_rewrite/subject", "", "'requested_rewrite.subject' is empty"},
      {"/requested_rewrite/subject", "  ", "'requested_rewrite.subject' is empty"},
      {"/requested_rewrite/subject", 5, "'requested_rewrite.subject' must be a text, not number"},
      {"/requested_rewrite/relation_id", nullptr, "'requested_rewrite' lacks 'relation_id'"},
      {"/requested_rewrite/subject", std::string("An\0na", 5), "'requested_rewrite.subject' has a zero byte"},
      {"/requested_rewrite/relation_id", "all", "'requested_rewrite.relation_id' must not be 'all'"},
      {"/requested_rewrite/prompt", "The mother tongue of Anna is", "must have exactly one {}"},
      {"/requested_rewrite/prompt", "{} and {}", "must have exactly one {}"},
      {"/requested_rewrite/target_true", "French", "'requested_rewrite.target_true' must be an object"},
      {"/requested_rewrite/target_new/str", " ", "'requested_rewrite.target_new.str' is empty"},
      {"/requested_rewrite/target_new/id", 7737, "'requested_rewrite.target_new.id' must be a text"},
      {"/requested_rewrite/target_new/str", "French\n", "'requested_rewrite.target_new.str' is the true object 'French' again"},
      {"/paraphrase_prompts", json::array({"{} speaks"}), "'paraphrase_prompts.0' has a {} in it"},
      {"/paraphrase_prompts", "text", "'paraphrase_prompts' must be a list"},
      {"/paraphrase_prompts", json::array({"a", 1}), "'paraphrase_prompts.1' must be a text"},
      {"/neighborhood_prompts", json::array({""}), "'neighborhood_prompts.0' is empty"},
      {"/pararel_idx", -1, "'pararel_idx' must be an integer"}};
  for (Case const& wrong : cases) {
    json record = test::record(77, "P103", "B");
    record[json::json_pointer(wrong.at)] = wrong.value;
    EXPECT_THAT(message_of({test::record(76, "P103", "A"), record}),
                AllOf(HasSubstr("facts.json': record 1 (case_id 77)"), HasSubstr(wrong.message)));
  }
  for (json const& id : {json(1.5), json("7"), json(-3), json(UINT64_MAX), json()}) {
    json record = test::record(1, "P103", "A");
    record["case_id"] = id;
    EXPECT_THAT(message_of({record}), AllOf(HasSubstr("record 0"), HasSubstr("'case_id'")));
  }
}

TEST(Counterfact, ReadsJsonLines) {
  test::TemporaryFolder const folder;
  auto const first = test::record(1, "P103", "A").dump(), second = test::record(2, "P103", "B").dump();
  write_file_atomically(folder / "facts.json", first + "\r\n\n" + second + "\n");
  EXPECT_EQ(read_counterfact(folder / "facts.json").at(1).subject, "B");
  EXPECT_EQ(fingerprint(read_counterfact(folder / "facts.json")),
            fingerprint(read({test::record(1, "P103", "A"), test::record(2, "P103", "B")})));
  write_file_atomically(folder / "facts.json", " " + first + "\n\t" + second);
  EXPECT_EQ(read_counterfact(folder / "facts.json").size(), 2U);
  write_file_atomically(folder / "one.jsonl", "\xef\xbb\xbf" + first);
  EXPECT_EQ(read_counterfact(folder / "one.jsonl").size(), 1U);
  write_file_atomically(folder / "cut.jsonl", first + "\n" + second.substr(0, 50));
  EXPECT_THAT(test::complaint_of([&] { read_counterfact(folder / "cut.jsonl"); }),
              AllOf(HasSubstr("cut.jsonl"), HasSubstr("line 2"), HasSubstr("ends too early")));
}

TEST(Counterfact, RefusesFilesThatAreNoListOfRecords) {
  EXPECT_THAT(message_of_content(json::object()), HasSubstr("must be a list of CounterFact records, not object"));
  EXPECT_THAT(message_of_content(json::array()), HasSubstr("an empty list"));
  EXPECT_THAT(message_of_content(json::array({"P103", "P17"})), HasSubstr("record 0 must be an object, not string"));
  test::TemporaryFolder const folder;
  EXPECT_THROW(read_counterfact(folder / "absent.json"), UserError);
  EXPECT_THROW(read_counterfact(folder.path()), UserError);
}

TEST(Counterfact, CutAnywhereIsRefused) {
  std::string const whole = json::array({test::record(1, "P103", "Zoë")}).dump();
  test::TemporaryFolder const folder;
  for (std::size_t size = 0; size < whole.size(); size += 5) {
    std::ofstream(folder / "cut.json") << whole.substr(0, size);
    ASSERT_THROW(read_counterfact(folder / "cut.json"), UserError) << size;
  }
}

TEST(Counterfact, WhatIsWrittenIsReadAgain) {
  json whole = test::record(1, "P103", "Zoë \"Z\""), bare = test::record(2, "P17", "B");
  for (char const* const absent : {"pararel_idx", "paraphrase_prompts", "neighborhood_prompts"}) bare.erase(absent);
  bare["requested_rewrite"]["target_true"].erase("id");
  auto const facts = read({whole, bare});
  test::TemporaryFolder const folder;
  write_file_atomically(folder / "again.json", counterfact_text(facts));
  auto const again = read_counterfact(folder / "again.json");
  EXPECT_EQ(fingerprint(again), fingerprint(facts));
  EXPECT_FALSE(again.at(1).pararel_idx);
}

TEST(Counterfact, FingerprintSeesEveryFieldAndTheOrder) {
  json const a = test::record(1, "P103", "A"), b = test::record(2, "P17", "B");
  std::string const reference = fingerprint(read({a, b}));
  EXPECT_EQ(fingerprint(read({a, b})), reference);
  EXPECT_NE(fingerprint(read({b, a})), reference);
  EXPECT_NE(fingerprint(read({a})), reference);
  for (char const* const at :
       {"/requested_rewrite/subject", "/requested_rewrite/relation_id", "/requested_rewrite/target_true/str",
        "/requested_rewrite/target_new/id", "/paraphrase_prompts/0", "/generation_prompts/0"}) {
    json changed = a;
    changed[json::json_pointer(at)] = "other";
    EXPECT_NE(fingerprint(read({changed, b})), reference) << at;
  }
}

}  // namespace
}  // namespace onemask
