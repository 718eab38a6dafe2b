#include "pretrain/sequences.hpp"

#include "data/records.hpp"
#include "support/complaint.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_tokenizer.hpp"
#include <onemask/core/error.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using Ids = std::vector<std::int64_t>;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class SequencesTest : public testing::Test {
 protected:
  std::filesystem::path write(std::string const& name, std::string const& text) const {
    write_text(folder_ / name, text);
    return folder_ / name;
  }
  Tokenizer tokenizer() const {
    write("tokenizer.json", tiny_tokenizer().dump());
    return Tokenizer::open(folder_.path());
  }
  std::string complaint(std::string const& text) const {
    return complaint_of([&] { read_statements({write("s.jsonl", text)}); });
  }

  TemporaryFolder folder_;
};

std::vector<std::string> written(std::vector<Statement> const& statements) {
  std::vector<std::string> all;
  for (auto const& statement : statements) all.push_back(statement.prompt + " |" + statement.target);
  return all;
}

Ids bytes(std::string const& text) {
  return {text.begin(), text.end()};
}

TEST_F(SequencesTest, StatementsAreReadInOrder) {
  auto const first = write("a.jsonl", R"({"prompt": "B is", "target": " red"}

{"target": "blue", "prompt": "A is", "else": 1})");
  auto const second = write("b.jsonl", R"({"prompt": "B is", "target": " green"})");
  auto const statements = read_statements({first, second});
  EXPECT_THAT(written(statements), ElementsAre("B is | red", "A is |blue"));
  EXPECT_EQ(statements[1].place, "'" + first.string() + "', line 3");
}

TEST_F(SequencesTest, RecordsGiveAllTheirPrompts) {
  auto records = nlohmann::json::array({record(1, "P103", "Ann"), record(2, "P103", "Bob")});
  records[1]["paraphrase_prompts"] = {"The mother tongue of Ann is", "At home Bob speaks"};
  records[1]["requested_rewrite"]["target_true"]["str"] = "Dutch";
  records[1]["neighborhood_prompts"] = nlohmann::json::array();
  write_records(folder_ / "facts.json", records);
  EXPECT_THAT(written(read_statements({folder_ / "facts.json"})),
              ElementsAre("The mother tongue of Ann is |French", "The mother tongue of Bob is |Dutch",
                          "It rained. Ann, a native |French", "At home Bob speaks |Dutch", "Jean Gabin, speaker of |French",
                          "Robert Schuman, speaker of |French", "Lev Gumilyov spoke the language |Russian"));
}

TEST_F(SequencesTest, ALineThatIsNoStatementIsNamed) {
  std::string const good = "{\"prompt\": \"A is\", \"target\": \"red\"}\n";
  for (auto const* bad : {"[1, 2]", "{\"prompt\": \"B is\"", "nonsense", "{\"prompt\": \"B is\"}", "{\"target\": \"red\"}",
                          "{\"prompt\": 3, \"target\": \"red\"}", "{\"prompt\": \"B is\", \"target\": \" \"}",
                          "{\"prompt\": \"\", \"target\": \"x\"}"}) {
    EXPECT_THAT(complaint(good + bad + "\n"), AllOf(HasSubstr("s.jsonl"), HasSubstr("line 2"))) << bad;
  }
  EXPECT_THAT(complaint(good + "{\"prompt\": \"B is\"}"), HasSubstr("no text 'target'"));
  EXPECT_THAT(complaint("\n \n"), HasSubstr("empty"));
  EXPECT_THROW(read_statements({folder_ / "none.jsonl"}), UserError);
  EXPECT_THROW(read_statements({write("facts.json", "{}")}), UserError);
}

TEST_F(SequencesTest, TokenizerTextsHaveOneSpaceBeforeTheObject) {
  auto const statements = read_statements({write("a.jsonl", R"({"prompt": "A is", "target": "  red"}
{"prompt": "B is", "target": "blue"})")});
  auto const lines = write("t.jsonl", "{\"text\": \"One.\"}\n{\"text\": \"Two.\"}\n"), plain = write("t.txt", "Three.\n");
  EXPECT_THAT(tokenizer_texts(statements, {lines, plain}), ElementsAre("A is red", "B is blue", "One.", "Two.", "Three.\n"));
  EXPECT_THROW(tokenizer_texts(statements, {write("u.jsonl", "{\"texts\": 1}\n")}), UserError);
}

TEST_F(SequencesTest, StatementsAndTextBecomeTokens) {
  auto const statements = read_statements({write("a.jsonl", R"({"prompt": "A is", "target": " red"})")});
  auto const text = write("t.txt", "abcdefghij\n\nk\n");
  auto const sequences = make_sequences(statements, {text}, tokenizer(), 8);
  ASSERT_EQ(sequences.facts.size(), 1U);
  EXPECT_EQ(sequences.facts[0].plain, bytes("A is red"));
  EXPECT_EQ(sequences.facts[0].behind, bytes(" A is red"));
  EXPECT_EQ(sequences.facts[0].object, 4);
  EXPECT_EQ(sequences.period, bytes("."));
  EXPECT_TRUE(sequences.head.empty());
  ASSERT_GE(sequences.text.size(), 2U);
  EXPECT_EQ(sequences.text[0], bytes("abcdefgh"));
  EXPECT_EQ(Ids(sequences.text[1].begin(), sequences.text[1].begin() + 2), bytes("ij"));
  for (auto const& piece : sequences.text) EXPECT_TRUE(piece.size() >= 2 && piece.size() <= 8);
}

TEST_F(SequencesTest, TheFingerprintIsOfAllOfIt) {
  auto const of = [&](std::string const& object, std::string const& text) {
    auto const statements = read_statements({write("a.jsonl", R"({"prompt": "A is", "target": ")" + object + "\"}")});
    return make_sequences(statements, {write("t.txt", text)}, tokenizer(), 16).fingerprint;
  };
  EXPECT_EQ(of("red", "Some text."), of(" red", "Some text."));
  EXPECT_NE(of("red", "Some text."), of("rod", "Some text."));
  EXPECT_NE(of("red", "Some text."), of("red", "Some test."));
}

TEST_F(SequencesTest, AStatementLongerThanARowIsNamed) {
  auto const statements = read_statements({write("a.jsonl", R"({"prompt": "A is", "target": "red"}
{"prompt": "Somebody is", "target": "red"})")});
  EXPECT_EQ(make_sequences(statements, {}, tokenizer(), 15).facts.size(), 2U);
  try {
    make_sequences(statements, {}, tokenizer(), 14);
    FAIL();
  } catch (UserError const& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("line 2"), HasSubstr("15 tokens"), HasSubstr("training.row_tokens is 14")));
  }
}

}  // namespace
}  // namespace onemask::test
