#include "support/complaint.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_tokenizer.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/random.hpp>
#include <onemask/data/prompt.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <cstdio>
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

constexpr std::int64_t unknown = 0, begin_of_text = 1, space = 259;

std::int64_t byte_id(unsigned byte) {
  return 3 + byte;
}
std::int64_t letter_id(char letter) {
  return space + 1 + (letter - 'a');
}

/// <unk>, <s>, </s>, the bytes, U+2581, a to z, then from 286 one token for the result of each merge ("a b").
json characters(std::vector<std::string> const& merges = {}) {
  json vocabulary = {{"<unk>", unknown}, {"<s>", begin_of_text}, {"</s>", 2}, {"▁", space}};
  for (unsigned byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", byte);
    vocabulary[name] = byte_id(byte);
  }
  for (char letter = 'a'; letter <= 'z'; ++letter) vocabulary[std::string(1, letter)] = letter_id(letter);
  for (std::string const& merge : merges) {
    std::size_t const gap = merge.find(' ');
    vocabulary[merge.substr(0, gap) + merge.substr(gap + 1)] = vocabulary.size();
  }
  json added = json::array();
  for (auto const& [token, id] : {std::pair{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}}) added.push_back(test::added_token(token, id));
  return {{"added_tokens", added},
          {"model",
           {{"type", "BPE"},
            {"unk_token", "<unk>"},
            {"fuse_unk", true},
            {"byte_fallback", true},
            {"vocab", vocabulary},
            {"merges", merges}}}};
}

/// The form of Llama-2's file.
json by_normalizer(std::vector<std::string> const& merges = {}) {
  auto content = characters(merges);
  json const steps = {{{"type", "Prepend"}, {"prepend", "▁"}},
                      {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}}};
  content["normalizer"] = {{"type", "Sequence"}, {"normalizers", steps}};
  return content;
}

/// The form of Mistral's newer files.
json by_metaspace(std::string const& scheme, std::vector<std::string> const& merges = {}) {
  auto content = characters(merges);
  content["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", scheme}, {"split", false}};
  return content;
}

Tokenizer open_characters(json const& content, json const& config = json::object()) {
  test::TemporaryFolder const folder;
  test::write_text(folder / "tokenizer.json", content.dump());
  test::write_text(folder / "tokenizer_config.json", config.dump());
  return Tokenizer::open(folder.path());
}

std::string complaint(json const& content, json const& config = json::object()) {
  return test::complaint_of([&] { open_characters(content, config); });
}

TEST(CharacterTokenizer, CharactersWithoutATokenBecomeTheirBytes) {
  Tokenizer const tokenizer = open_characters(by_normalizer());
  EXPECT_THAT(tokenizer.encode("é\n"), ElementsAre(space, byte_id(0xC3), byte_id(0xA9), byte_id('\n')));
  EXPECT_THAT(tokenizer.encode("<0x0A>"), testing::Not(testing::Contains(byte_id('\n'))));
  EXPECT_EQ(tokenizer.token_text(byte_id(0xC3)), "\xC3");
  EXPECT_EQ(tokenizer.decode(Ids{letter_id('a'), byte_id(0xC3), byte_id(0xA9)}), "aé");
}

/// The order in which tokens of several kinds come out is that of the library `tokenizers`.
TEST(UnknownCharacters, BecomeBytesOrTheUnknownTokenOrNothing) {
  json content = by_normalizer();
  auto& model = content["model"];
  model["vocab"].erase("<0xA9>");  // of é
  EXPECT_THAT(open_characters(content).encode("éa"), ElementsAre(space, unknown, letter_id('a')));
  EXPECT_THAT(open_characters(content).encode("ééa"), ElementsAre(space, unknown, letter_id('a')));
  EXPECT_THAT(open_characters(content).encode("é\na"), ElementsAre(space, byte_id('\n'), unknown, letter_id('a')));
  model["fuse_unk"] = false;
  EXPECT_THAT(open_characters(content).encode("ééa"), ElementsAre(space, unknown, unknown, letter_id('a')));
  EXPECT_THAT(open_characters(content).encode("éaé"), ElementsAre(space, unknown, letter_id('a'), unknown));
  model["byte_fallback"] = false;
  EXPECT_THAT(open_characters(content).encode("\na"), ElementsAre(space, unknown, letter_id('a')));
  model["unk_token"] = "<absent>";
  EXPECT_THAT(open_characters(content).encode("a"), ElementsAre(space, letter_id('a')));
  EXPECT_THAT(test::complaint_of([&] { open_characters(content).encode("\na"); }), HasSubstr("'<absent>'"));
  model["unk_token"] = nullptr;
  EXPECT_THAT(open_characters(content).encode("\na"), ElementsAre(space, letter_id('a')));
}

TEST(UnknownCharacters, OfAByteLevelVocabularyAreItsMissingBytes) {
  json content = test::tiny_tokenizer();
  content["model"]["vocab"].erase(test::written(0xFF));
  content["model"]["vocab"].erase(test::written('z'));
  EXPECT_THAT(open_characters(content).encode("azb"), ElementsAre('a', 'b'));
}

TEST(CharacterTokenizer, CharactersOfSeveralBytesMergeAsOne) {
  json content = by_normalizer();
  content["model"]["vocab"]["é"] = 286;
  content["model"]["vocab"]["éa"] = 287;
  content["model"]["merges"] = {"é a"};
  EXPECT_THAT(open_characters(content).encode("éaé"), ElementsAre(space, 287, 286));
}

TEST(CharacterTokenizer, TheWholeTextIsOneWord) {
  Tokenizer const tokenizer = open_characters(by_normalizer({"a ▁", "▁ b"}));
  EXPECT_THAT(tokenizer.encode("a b"), ElementsAre(space, 286, letter_id('b')));
  EXPECT_EQ(tokenizer.token_text(287), " b");
}

TEST(CharacterTokenizer, TheNormalizerPutsASpaceBeforeEveryPart) {
  Tokenizer const tokenizer = open_characters(by_normalizer());
  EXPECT_TRUE(tokenizer.begins_with_space());
  EXPECT_THAT(tokenizer.encode("a b"), ElementsAre(space, letter_id('a'), space, letter_id('b')));
  EXPECT_THAT(tokenizer.encode(" a"), ElementsAre(space, space, letter_id('a')));
  EXPECT_THAT(tokenizer.encode("a<s>b"), ElementsAre(space, letter_id('a'), begin_of_text, space, letter_id('b')));
  EXPECT_THAT(tokenizer.encode("<s>"), ElementsAre(begin_of_text));
  EXPECT_THAT(tokenizer.encode(""), testing::IsEmpty());
}

TEST(CharacterTokenizer, MetaspacePutsASpaceWhereThereIsNone) {
  Ids const a{space, letter_id('a')};
  for (std::string const scheme : {"first", "always"}) {
    Tokenizer const tokenizer = open_characters(by_metaspace(scheme));
    EXPECT_TRUE(tokenizer.begins_with_space());
    EXPECT_EQ(tokenizer.encode("a"), a);
    EXPECT_EQ(tokenizer.encode(" a"), a);
    EXPECT_THAT(tokenizer.encode("  a"), ElementsAre(space, space, letter_id('a')));
  }
  EXPECT_THAT(open_characters(by_metaspace("first")).encode("a<s>b"),
              ElementsAre(space, letter_id('a'), begin_of_text, letter_id('b')));
  EXPECT_THAT(open_characters(by_metaspace("first")).encode("<s>b"), ElementsAre(begin_of_text, letter_id('b')));
  EXPECT_THAT(open_characters(by_metaspace("always")).encode("<s>b"), ElementsAre(begin_of_text, space, letter_id('b')));
  Tokenizer const never = open_characters(by_metaspace("never"));
  EXPECT_FALSE(never.begins_with_space());
  EXPECT_THAT(never.encode("a b"), ElementsAre(letter_id('a'), space, letter_id('b')));
}

TEST(CharacterTokenizer, NormalizedTokensAreLookedForInTheNormalizedText) {
  json content = by_normalizer();
  content["added_tokens"].push_back({{"id", 300}, {"content", "x y"}, {"normalized", true}});
  Tokenizer const tokenizer = open_characters(content);
  EXPECT_THAT(tokenizer.encode("x y"), ElementsAre(300));
  EXPECT_THAT(tokenizer.encode("a x y"), ElementsAre(space, letter_id('a'), 300));
  EXPECT_THAT(tokenizer.encode("ax y"), ElementsAre(space, letter_id('a'), letter_id('x'), space, letter_id('y')));
}

TEST(CharacterTokenizer, WholeTextsAreOneTokenWithIgnoreMerges) {
  json content = by_normalizer();
  content["model"]["vocab"]["▁xyz"] = 300;
  content["model"]["ignore_merges"] = true;
  EXPECT_THAT(open_characters(content).encode("xyz"), ElementsAre(300));
}

TEST(CharacterTokenizer, DecodesWhatItEncoded) {
  std::vector<std::string> const pieces{"a", "b", "the", " ", "\n", "é", "東", "😀", "\x01", "<0x41>", "<", "Z", "e\u0301"};
  RandomStream random({4});
  for (auto const& content : {by_normalizer({"t h", "th e", "▁ the", "▁ ▁"}), by_metaspace("never"), by_metaspace("first")}) {
    Tokenizer const tokenizer = open_characters(content);
    for (int i = 0; i < 1000; ++i) {
      std::string text = i % 2 ? "a" : "é";  // Metaspace drops a space at the beginning
      for (auto count = random.below(12); count > 0; --count) text += pieces[random.below(pieces.size())];
      ASSERT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
    }
  }
  EXPECT_EQ(open_characters(by_normalizer()).decode(open_characters(by_normalizer()).encode("  a")), "  a");
}

TEST(CharacterTokenizer, EncodesALongTextInTime) {
  Tokenizer const tokenizer = open_characters(by_normalizer({"a a", "aa aa", "aaaa aaaa"}));
  Ids expected(50'000, 288);
  expected.insert(expected.begin(), space);
  EXPECT_EQ(tokenizer.encode(std::string(400'000, 'a')), expected);
}

/// Prompt and target one after the other have the ids of the whole text.
TEST(Prompt, TargetsContinueThem) {
  std::vector<std::string> const merges{"▁ p", "▁p a", "i s", "▁ is", "r is", "▁pa ris", "▁ ▁"};
  json levels = test::tiny_tokenizer({"Ġ p", "Ġp a", "i s", "Ġ is"});
  for (auto const& content : {by_normalizer(merges), by_metaspace("first", merges), by_metaspace("always", merges),
                              by_metaspace("never", merges), levels}) {
    Tokenizer const tokenizer = open_characters(content);
    for (std::string const prompt : {"the capital of france is", "a", "the native language of zoë is"}) {
      for (std::string const target : {"paris", "is", "münchen", "p q"}) {
        auto ids = encode_prompt(tokenizer, prompt);
        for (auto const id : encode_target(tokenizer, target)) ids.push_back(id);
        EXPECT_EQ(ids, tokenizer.encode(prompt + " " + target)) << prompt << " " << target;
        EXPECT_EQ(encode_target(tokenizer, " " + target), encode_target(tokenizer, target));
      }
    }
    EXPECT_THROW(encode_target(tokenizer, "  "), UserError);
  }
  EXPECT_THAT(encode_target(open_characters(by_normalizer(merges)), "paris"), ElementsAre(291));
}

TEST(Prompt, BeginsWithTheTokenOfTheTemplate) {
  json content = by_normalizer();
  content["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
      {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {1}}, {"tokens", {"<s>"}}}}}}};
  EXPECT_THAT(encode_prompt(open_characters(content), "a"), ElementsAre(begin_of_text, space, letter_id('a')));
  EXPECT_THAT(encode_prompt(open_characters(content), "a", true), ElementsAre(begin_of_text, space, letter_id('a')));
  EXPECT_THAT(encode_target(open_characters(content), "a"), ElementsAre(space, letter_id('a')));
}

TEST(FormC, ComesBeforeTheBytes) {
  json content = test::tiny_tokenizer();
  content["normalizer"] = {{"type", "NFC"}};
  content["added_tokens"] = {{{"id", 300}, {"content", "<e\u0301>"}, {"normalized", true}, {"special", true}},
                             {{"id", 301}, {"content", "[e\u0301]"}, {"normalized", false}, {"special", true}}};
  Tokenizer const tokenizer = open_characters(content);
  EXPECT_FALSE(tokenizer.begins_with_space());
  EXPECT_THAT(tokenizer.encode("e\u0301"), ElementsAre(0xC3, 0xA9));             // é
  EXPECT_THAT(tokenizer.encode("\u1100\u1161"), ElementsAre(0xEA, 0xB0, 0x80));  // 가
  EXPECT_THAT(tokenizer.encode("<é><e\u0301>"), ElementsAre(300, 300));
  EXPECT_THAT(tokenizer.encode("[e\u0301]"), ElementsAre(301));
  EXPECT_EQ(tokenizer.encode("[é]").size(), 4U);
  std::string const zero("a\0e\u0301", 5);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(zero)), std::string("a\0é", 4));
  EXPECT_NE(tokenizer.fingerprint(), open_characters(test::tiny_tokenizer()).fingerprint());
}

TEST(CharacterTokenizer, FingerprintsTellTheFormsApart) {
  std::vector<std::string> fingerprints{open_characters(characters()).fingerprint(),
                                        open_characters(by_normalizer()).fingerprint()};
  for (auto const* scheme : {"never", "first", "always"})
    fingerprints.push_back(open_characters(by_metaspace(scheme)).fingerprint());
  for (std::size_t i = 0; i < fingerprints.size(); ++i)
    for (std::size_t k = 0; k < i; ++k) EXPECT_NE(fingerprints[i], fingerprints[k]) << i << " and " << k;
}

TEST(CharacterTokenizer, RefusesWhatItDoesNotKnow) {
  struct Case {
    json::json_pointer at;
    json value;
    std::string message;
  };
  auto const at = [](char const* pointer) { return json::json_pointer(pointer); };
  auto content = by_metaspace("first");
  content["normalizer"] = by_normalizer()["normalizer"];
  std::vector<Case> const cases{
      {at("/normalizer/normalizers/0/prepend"), 7, "'normalizer.normalizers.0.prepend' must be a text"},
      {at("/normalizer/normalizers/1/pattern"), {{"Text", " +"}}, "lacks 'Regex'"},
      {at("/normalizer/normalizers/1/pattern"), {{"Regex", "(a"}}, "'(a' does not compile"},
      {at("/normalizer/normalizers/1/content"), 7, "must be a text"},
      {at("/normalizer/normalizers/0/type"), "BertNormalizer", "'BertNormalizer'"},
      {at("/normalizer"), {{"type", "Sequence"}}, "lacks 'normalizers'"},
      {at("/pre_tokenizer/split"), "no", "'pre_tokenizer.split' must be true or false"},
      {at("/pre_tokenizer/add_prefix_space"), false, "contradicts 'prepend_scheme', which is 'first'"},
      {at("/pre_tokenizer/prepend_scheme"), "sometimes", "'never', 'first' or 'always'"},
      {at("/model/byte_fallback"), "yes", "must be true or false"},
      {at("/added_tokens/0/id"), 5, "contradicts"},
  };
  ASSERT_EQ(complaint(content), "");
  for (Case const& hostile : cases) {
    json changed = content;
    changed[hostile.at] = hostile.value;
    EXPECT_THAT(complaint(changed), testing::AllOf(HasSubstr("tokenizer.json'"), HasSubstr(hostile.message))) << hostile.at;
  }
  json settings = {{"tokenizer_class", "LlamaTokenizer"}, {"add_prefix_space", false}};
  EXPECT_THAT(complaint(content, settings), HasSubstr("contradicts"));
  settings["add_prefix_space"] = true;
  EXPECT_EQ(complaint(content, settings), "");
}

}  // namespace
}  // namespace onemask
