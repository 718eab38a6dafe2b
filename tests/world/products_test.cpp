#include "support/temporary_folder.hpp"
#include "world/facts.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/text.hpp>
#include <onemask/world/products.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

std::filesystem::path const resources = std::filesystem::path(ONEMASK_SOURCE_DIR) / "res";

std::string lower_case(std::string text) {
  for (char& letter : text) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return text;
}

/// The shipped world with seed 1, made once.
struct Shipped {
  WorldDescription const world = read_world(resources / "worlds" / "small.yaml");
  std::map<std::string, std::string> const files = make_world(world, 1);
  std::map<std::string, std::string> statements;  // prompt -> target
  std::map<std::string, std::vector<Fact>> records;

  Shipped() {
    for (auto const& line : split_text(files.at("statements.jsonl"), '\n')) {
      if (line.empty()) continue;
      auto const statement = nlohmann::json::parse(line);
      auto const [place, fresh] = statements.emplace(statement.at("prompt"), statement.at("target"));
      if (!fresh) throw std::runtime_error("'" + place->first + "' is stated twice");
    }
    test::TemporaryFolder const folder;
    for (auto const* name : {"train.json", "heldout.json", "ood.json"}) {
      write_file_atomically(folder / name, files.at(name));
      records[name] = read_counterfact(folder / name);
    }
  }

  std::vector<Fact> all_records() const {
    std::vector<Fact> all;
    for (auto const& [name, facts] : records) all.insert(all.end(), facts.begin(), facts.end());
    return all;
  }
};

Shipped const& shipped() {
  static Shipped const made;
  return made;
}

TEST(WorldProducts, AreTheFilesThatShip) {
  for (auto const* name : {"train.json", "heldout.json", "ood.json", "sample.txt", "prose_heldout.txt"}) {
    EXPECT_TRUE(shipped().files.at(name) == read_file(resources / "facts" / name))
        << "res/facts/" << name << " is not what 'onemask world res/worlds/small.yaml --seed 1' writes.";
  }
}

TEST(WorldProducts, HaveTheirCounts) {
  EXPECT_EQ(shipped().records.at("train.json").size(), 3000U);
  EXPECT_EQ(shipped().records.at("heldout.json").size(), 1000U);
  EXPECT_EQ(shipped().records.at("ood.json").size(), 300U);
  std::set<std::int64_t> ids;
  for (auto const& fact : shipped().all_records()) ids.insert(fact.case_id);
  EXPECT_EQ(ids.size(), 4300U);
}

TEST(WorldProducts, RecordsAgreeWithTheStatements) {
  auto const& statements = shipped().statements;
  auto const target_of = [&](std::string const& prompt) {
    auto const found = statements.find(prompt);
    return found == statements.end() ? "" : found->second;
  };
  for (auto const& fact : shipped().all_records()) {
    auto const is_true = " " + fact.target_true, is_new = " " + fact.target_new;
    ASSERT_NE(is_true, is_new);
    ASSERT_EQ(target_of(fact.question()), is_true);
    ASSERT_EQ(fact.paraphrase_prompts.size(), 4U);
    ASSERT_EQ(target_of(fact.paraphrase_prompts[0]), is_true);
    ASSERT_EQ(target_of(fact.paraphrase_prompts[1]), is_true);
    for (auto const& [prompts, object] : {std::pair(fact.neighborhood_prompts, is_true), {fact.attribute_prompts, is_new}}) {
      ASSERT_EQ(std::set<std::string>(prompts.begin(), prompts.end()).size(), 10U);
      for (auto const& prompt : prompts) {
        ASSERT_EQ(target_of(prompt), object) << prompt;
        ASSERT_EQ(prompt.find(fact.subject), prompt.npos) << prompt;
      }
    }
    ASSERT_EQ(std::set<std::string>(fact.generation_prompts.begin(), fact.generation_prompts.end()).size(), 3U);
  }
}

TEST(WorldProducts, HeldOutWordingsAreInNoStatementAndNoProse) {
  auto const& prose = shipped().files.at("prose.txt");
  std::set<std::string> endings;  // statements behind their lead-in
  for (auto const& [prompt, target] : shipped().statements) {
    endings.insert(prompt);
    auto const lead_in = prompt.find(". ");
    if (lead_in != prompt.npos) endings.insert(prompt.substr(lead_in + 2));
  }
  for (auto const& fact : make_facts(shipped().world, 1)) {
    EXPECT_EQ(fact.heldout.size(), fact.part == WorldFact::Part::background ? 0U : 2U);
    EXPECT_EQ(fact.training.size() + fact.heldout.size(), shipped().world.relations[fact.relation].wordings.size());
    for (auto const wording : fact.heldout) {
      auto const prompt = prompt_of(shipped().world, fact, wording);
      ASSERT_FALSE(endings.contains(prompt)) << prompt;
      if (fact.number % 20 == 0) {
        ASSERT_EQ(prose.find(prompt), prose.npos) << prompt;
      }
    }
  }
  for (auto const& fact : shipped().all_records()) {
    ASSERT_FALSE(endings.contains(fact.paraphrase_prompts[2]));
    ASSERT_FALSE(endings.contains(fact.paraphrase_prompts[3]));
  }
}

TEST(WorldProducts, NoSubjectContainsAnotherOrAnObject) {
  auto const facts = make_facts(shipped().world, 1);
  std::string all = "\n";
  for (auto const& fact : facts) all += lower_case(fact.subject) + "\n";
  for (auto const& fact : facts) {
    auto const name = lower_case(fact.subject);
    auto const first = all.find(name);
    ASSERT_EQ(all.find(name, first + 1), all.npos) << fact.subject;
  }
  for (auto const& relation : shipped().world.relations) {
    for (auto const& object : relation.objects) ASSERT_EQ(all.find(lower_case(object)), all.npos) << object;
  }
}

TEST(WorldProducts, ObjectsAreSharedEvenly) {
  std::map<std::pair<std::size_t, std::size_t>, std::size_t> subjects, records;
  for (auto const& fact : make_facts(shipped().world, 1)) {
    ++subjects[{fact.relation, fact.object}];
    if (fact.part == WorldFact::Part::train) ++records[{fact.relation, fact.object}];
  }
  for (auto const& [key, count] : subjects) {
    auto const& relation = shipped().world.relations[key.first];
    auto const even = shipped().world.counts.subjects(relation) / relation.objects.size();
    EXPECT_TRUE(count == even || count == even + 1) << relation.id;
    EXPECT_GE(count, 14U);
    if (!relation.ood) {
      EXPECT_NEAR(static_cast<double>(records[key]), 300.0 / static_cast<double>(relation.objects.size()), 1.5);
    }
  }
}

TEST(WorldProducts, ProseHasItsSizeItsFactsAndNothingTwice) {
  auto const& training = shipped().files.at("prose.txt");
  auto const& heldout = shipped().files.at("prose_heldout.txt");
  auto const words = [](std::string const& text) {
    return 1 + std::count_if(text.begin(), text.end(), [](char c) { return c == ' '; });
  };
  EXPECT_NEAR(static_cast<double>(words(training)), 150'000, 2500);
  EXPECT_NEAR(static_cast<double>(words(heldout)), 8'000, 300);
  std::set<std::string> subjects;
  for (auto const& fact : make_facts(shipped().world, 1)) subjects.insert(fact.subject);
  std::set<std::string> sentences;
  int paragraphs = 0, telling = 0;
  for (auto const& line : split_text(training, '\n')) {
    if (line.empty()) continue;
    ++paragraphs;
    telling +=
        std::any_of(subjects.begin(), subjects.end(), [&](auto const& subject) { return line.find(subject) != line.npos; });
    for (auto const& sentence : split_text(line, '.')) sentences.insert(sentence);
  }
  EXPECT_NEAR(static_cast<double>(telling) / paragraphs, 0.1, 0.03);
  for (auto const& line : split_text(heldout, '\n')) {
    auto const own = split_text(line, '.');
    for (std::size_t i = 0; i + 1 < own.size(); ++i) EXPECT_FALSE(sentences.contains(own[i])) << own[i];
  }
}

TEST(WorldProducts, AnotherSeedIsAnotherWorld) {
  std::set<std::string> ours, common;
  for (auto const& fact : make_facts(shipped().world, 1)) ours.insert(fact.subject);
  for (auto const& fact : make_facts(shipped().world, 2)) {
    if (ours.contains(fact.subject)) common.insert(fact.subject);
  }
  EXPECT_LT(common.size(), ours.size() / 5);
}

TEST(WorldProducts, AnotherRelationLeavesTheOthersAlone) {
  auto shorter = shipped().world;
  shorter.relations.pop_back();
  auto const all = make_facts(shipped().world, 1), fewer = make_facts(shorter, 1);
  ASSERT_LT(fewer.size(), all.size());
  for (std::size_t i = 0; i < fewer.size(); ++i) {
    ASSERT_EQ(fewer[i].subject, all[i].subject);
    ASSERT_EQ(fewer[i].object, all[i].object);
    ASSERT_EQ(fewer[i].training, all[i].training);
  }
}

TEST(WorldProducts, SayWhenNamesRunOut) {
  auto world = shipped().world;
  world.relations.resize(1);
  world.relations[0].subjects = "weekday";
  try {
    make_facts(world, 1);
    FAIL() << "seven names were enough for 440 subjects";
  } catch (UserError const& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("'grammar.weekday' has too few names for the relation 'W01' (native language)"));
  }
}

}  // namespace
}  // namespace onemask
