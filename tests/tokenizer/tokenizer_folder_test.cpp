#include "support/complaint.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_tokenizer.hpp"
#include <onemask/core/error.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using nlohmann::json;
using test::added_token;
using test::complaint_of;
using test::tiny_tokenizer;
using testing::ElementsAre;
using testing::HasSubstr;
using Ids = std::vector<std::int64_t>;

json template_of(std::vector<std::string> const& pieces) {
  json single = json::array(), tokens = json::object();
  for (std::string const& piece : pieces) {
    if (piece == "$A") {
      single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
    } else {
      single.push_back({{"SpecialToken", {{"id", piece}, {"type_id", 0}}}});
      tokens[piece] = {{"id", piece}, {"ids", {piece == "<s>" ? 300 : 301}}, {"tokens", {piece}}};
    }
  }
  return {{"type", "TemplateProcessing"}, {"single", single}, {"special_tokens", tokens}};
}

/// The files of a tokenizer in a folder of their own; tokenizer.json has <s> as token 300 and </s> as token 301.
class Folder {
 public:
  explicit Folder(json const& post_processor = nullptr) {
    json content = tiny_tokenizer();
    content["added_tokens"] = {added_token("<s>", 300), added_token("</s>", 301)};
    content["post_processor"] = post_processor;
    write("tokenizer.json", content);
  }
  Folder& write(char const* name, json const& content) {
    test::write_text(folder_ / name, content.dump());
    return *this;
  }
  Tokenizer open() const { return Tokenizer::open(folder_.path()); }
  std::filesystem::path operator/(char const* name) const { return folder_ / name; }

 private:
  test::TemporaryFolder folder_;
};

/// What stands before a text, or -1.
std::int64_t head(Tokenizer const& tokenizer) {
  return tokenizer.adds_bos() ? tokenizer.bos().value() : -1;
}

std::int64_t head_with(json const& post_processor, json const& settings) {
  return head(Folder(post_processor).write("tokenizer_config.json", settings).open());
}

TEST(BeginningOfText, IsDecidedByTheTemplateOrTheSettingsAsTheClassHasIt) {
  json const before = template_of({"<s>", "$A"}), none = nullptr;
  json const names = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
  auto const with = [&](std::string const& name, json const& adds_bos = nullptr) {
    json settings = names;
    settings["tokenizer_class"] = name;
    if (!adds_bos.is_null()) settings["add_bos_token"] = adds_bos;
    return settings;
  };
  for (std::string const by_settings : {"LlamaTokenizer", "LlamaTokenizerFast", "CodeLlamaTokenizer", "GemmaTokenizerFast"}) {
    EXPECT_EQ(head_with(none, with(by_settings)), 300) << by_settings;
    EXPECT_EQ(head_with(before, with(by_settings, false)), -1) << by_settings;
  }
  EXPECT_EQ(head_with(before, with("GPTNeoXTokenizer")), -1);
  EXPECT_EQ(head_with(none, with("GPTNeoXTokenizer", true)), 300);
  for (std::string const by_template : {"PreTrainedTokenizerFast", "GPT2Tokenizer", "Qwen2TokenizerFast", "UnheardOfTokenizer"}) {
    EXPECT_EQ(head_with(none, with(by_template, true)), -1) << by_template;
    EXPECT_EQ(head_with(before, with(by_template, false)), 300) << by_template;
  }
  EXPECT_EQ(head(Folder(before).open()), 300);
  EXPECT_EQ(head(Folder(none).open()), -1);
  EXPECT_NE(Folder(before).open().fingerprint(), Folder(none).open().fingerprint());
}

TEST(BeginningOfText, TheTypeOfTheModelNamesTheClassWhereNoFileDoes) {
  json const names = {{"bos_token", "<s>"}};
  for (auto const& [type, expected] : {std::pair{"llama", 300}, {"gemma2", 300}, {"qwen2", -1}, {"gpt_neox", -1}}) {
    Folder folder;
    folder.write("tokenizer_config.json", names).write("config.json", {{"model_type", type}});
    EXPECT_EQ(head(folder.open()), expected) << type;
  }
}

TEST(BeginningOfText, IsTheClassesOwnTokenWhereNoFileNamesOne) {
  EXPECT_EQ(head_with(nullptr, {{"tokenizer_class", "LlamaTokenizer"}}), 300);
  EXPECT_EQ(head_with(template_of({"</s>", "$A"}), {{"tokenizer_class", "GemmaTokenizer"}}), 301);  // <bos> is no token here
}

TEST(BeginningOfText, TheTemplateMayPutAnotherTokenThanTheNamedOne) {
  Tokenizer const tokenizer =
      Folder(template_of({"</s>", "$A"}))
          .write("tokenizer_config.json", {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"bos_token", "<s>"}})
          .open();
  EXPECT_EQ(head(tokenizer), 301);
}

TEST(BeginningOfText, WhatIsNotSupportedIsRefusedWhereItIsAskedFor) {
  auto const complaint = [](json const& post_processor, json const& settings) {
    Tokenizer const tokenizer = Folder(post_processor).write("tokenizer_config.json", settings).open();
    EXPECT_THAT(tokenizer.encode("a"), ElementsAre('a'));
    return complaint_of([&] { tokenizer.adds_bos(); });
  };
  json const plain = json::object();
  EXPECT_THAT(complaint(template_of({"$A", "</s>"}), plain), HasSubstr("'</s>' behind every text"));
  EXPECT_THAT(complaint(template_of({"<s>", "</s>", "$A"}), plain), HasSubstr("more than one token"));
  json const sequence = {{"type", "Sequence"}, {"processors", {template_of({"<s>", "$A"}), template_of({"</s>", "$A"})}}};
  EXPECT_THAT(complaint(sequence, plain), HasSubstr("more than one token"));
  EXPECT_THAT(complaint({{"type", "BertProcessing"}}, plain), HasSubstr("'BertProcessing'"));
  json settings = {{"tokenizer_class", "LlamaTokenizer"}, {"bos_token", "<s>"}, {"add_eos_token", true}};
  EXPECT_THAT(complaint(nullptr, settings), HasSubstr("add_eos_token"));
  settings = {{"tokenizer_class", "LlamaTokenizer"}, {"bos_token", "<x>"}};
  EXPECT_THAT(complaint(nullptr, settings), HasSubstr("'<x>' is not a token"));
  settings["bos_token"] = nullptr;
  EXPECT_THAT(complaint(nullptr, settings), HasSubstr("no bos_token is named"));
  settings["add_bos_token"] = false;
  EXPECT_EQ(head_with({{"type", "BertProcessing"}}, settings), -1);
  EXPECT_EQ(head_with({{"type", "Sequence"}, {"processors", {{{"type", "ByteLevel"}}, template_of({"<s>", "$A"})}}}, plain), 300);
  json const empty = {{"type", "TemplateProcessing"}};
  EXPECT_THAT(complaint_of([&] { Folder(empty).open(); }), HasSubstr("lacks 'single'"));
  json absent = template_of({"<s>", "$A"});
  absent["special_tokens"]["<s>"]["ids"] = {999};
  EXPECT_THAT(complaint_of([&] { Folder(absent).open(); }), HasSubstr("999"));
}

TEST(SpecialTokensOfAFolder, AnOldMapOverridesTheSettings) {
  Folder folder;
  folder.write("special_tokens_map.json", {{"bos_token", {{"content", "</s>"}}}});
  folder.write("tokenizer_config.json", {{"bos_token", "<s>"}, {"eos_token", "<s>"}});
  EXPECT_EQ(folder.open().bos(), 301);
  EXPECT_EQ(folder.open().eos(), 300);
  folder.write("tokenizer_config.json", {{"bos_token", "<s>"}, {"added_tokens_decoder", json::object()}});
  EXPECT_EQ(folder.open().bos(), 300);
}

TEST(SpecialTokensOfAFolder, TheModelsConfigurationSpeaksLast) {
  Folder folder;
  folder.write("config.json", {{"bos_token_id", 65}, {"eos_token_id", {66, 67}}});
  EXPECT_EQ(folder.open().bos(), 65);
  EXPECT_EQ(folder.open().eos(), 66);
  folder.write("tokenizer_config.json", {{"bos_token", "<s>"}, {"eos_token", nullptr}});
  EXPECT_EQ(folder.open().bos(), 300);
  EXPECT_EQ(folder.open().eos(), std::nullopt);
  folder.write("tokenizer_config.json", json::object()).write("config.json", {{"bos_token_id", 50256}});  // of another vocabulary
  EXPECT_EQ(folder.open().bos(), std::nullopt);
}

TEST(SpecialTokensOfAFolder, AreFoundInTexts) {
  json content = tiny_tokenizer();
  content["model"]["vocab"]["<e>"] = 257;
  test::TemporaryFolder const folder;
  test::write_text(folder / "tokenizer.json", content.dump());
  EXPECT_THAT(Tokenizer::open(folder.path()).encode("<e>"), ElementsAre('<', 'e', '>'));
  test::write_text(folder / "tokenizer_config.json", R"({"eos_token": {"content": "<e>", "lstrip": true}})");
  EXPECT_THAT(Tokenizer::open(folder.path()).encode("a <e>"), ElementsAre('a', 257));
  test::write_text(folder / "tokenizer_config.json", R"({"additional_special_tokens": ["<e>"]})");
  EXPECT_THAT(Tokenizer::open(folder.path()).encode(" <e>"), ElementsAre(' ', 257));
}

TEST(SpecialTokensOfAFolder, ThatNoVocabularyHasGetTheNextIds) {
  Folder folder;
  folder.write("tokenizer_config.json", {{"pad_token", "[PAD]"}, {"bos_token", "<b>"}, {"additional_special_tokens", {"<x>"}}});
  EXPECT_THAT(folder.open().encode("a[PAD]<x><b>"), ElementsAre('a', 303, 304, 302));
  EXPECT_EQ(folder.open().bos(), std::nullopt);
  EXPECT_EQ(folder.open().vocabulary_size(), 302);
  EXPECT_EQ(folder.open().fingerprint(), Folder().open().fingerprint());
  auto const tokenizer = folder.open().within(302);
  EXPECT_THAT(tokenizer.encode("a"), ElementsAre('a'));
  EXPECT_THAT(complaint_of([&] { tokenizer.encode("[PAD]"); }), HasSubstr("'[PAD]', which is token 303"));
}

TEST(SpecialTokensOfAFolder, MayBeReadAsText) {
  Folder folder;
  EXPECT_THAT(folder.open().encode("<s>"), ElementsAre(300));
  folder.write("tokenizer_config.json", {{"split_special_tokens", true}});
  EXPECT_THAT(folder.open().encode("<s>"), ElementsAre('<', 's', '>'));
}

TEST(SpecialTokensOfAFolder, AnEmptyWordAboutTheBeginningIsNo) {
  json settings = {{"tokenizer_class", "LlamaTokenizer"}, {"bos_token", "<s>"}};
  EXPECT_EQ(head_with(nullptr, settings), 300);
  settings["add_bos_token"] = nullptr;
  EXPECT_EQ(head_with(nullptr, settings), -1);
}

TEST(TokenizerFolders, ThatAreNoneAreNamed) {
  test::TemporaryFolder const folder;
  EXPECT_THAT(complaint_of([&] { Tokenizer::open(folder / "absent"); }), HasSubstr("no such folder"));
  test::write_text(folder / "tokenizer.model", "x");
  EXPECT_THAT(complaint_of([&] { Tokenizer::open(folder.path()); }), HasSubstr("SentencePiece"));
  test::write_text(folder / "adapter_config.json", "{}");
  EXPECT_THAT(complaint_of([&] { Tokenizer::open(folder.path()); }), HasSubstr("edit.files"));
  std::filesystem::create_directory(folder / "snapshots");
  EXPECT_THAT(complaint_of([&] { Tokenizer::open(folder.path()); }), HasSubstr("/snapshots/REVISION"));
}

TEST(TokensOfTheSettings, OverrideFlags) {
  Folder folder;
  json described = {{"content", "<s>"}, {"lstrip", true}, {"rstrip", true}, {"special", true}};
  EXPECT_THAT(folder.open().encode("a <s> b"), ElementsAre('a', ' ', 300, ' ', 'b'));
  folder.write("tokenizer_config.json", {{"added_tokens_decoder", {{"300", described}}}});
  EXPECT_THAT(folder.open().encode("a <s> b"), ElementsAre('a', 300, 'b'));
  folder.write("tokenizer_config.json", {{"added_tokens_decoder", {{"3e", described}}}});
  EXPECT_THAT(complaint_of([&] { folder.open(); }), HasSubstr("'3e'"));
  described["content"] = "<t>";
  folder.write("tokenizer_config.json", {{"added_tokens_decoder", {{"300", described}}}});
  EXPECT_THAT(complaint_of([&] { folder.open(); }), HasSubstr("contradicts"));
}

TEST(PrefixSpace, IsThatOfTheSettingsForSomeClasses) {
  json content = tiny_tokenizer();
  content["pre_tokenizer"]["add_prefix_space"] = true;
  Folder folder;
  folder.write("tokenizer.json", content);
  EXPECT_THAT(folder.open().encode("a"), ElementsAre(' ', 'a'));
  EXPECT_THAT(folder.open().encode(" a"), ElementsAre(' ', 'a'));
  EXPECT_TRUE(folder.open().begins_with_space());
  EXPECT_EQ(folder.open().decode(Ids{' ', 'a'}), "a");
  folder.write("tokenizer_config.json", {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"add_prefix_space", false}});
  EXPECT_THAT(folder.open().encode("a"), ElementsAre(' ', 'a'));
  for (std::string const name : {"GPT2Tokenizer", "GPTNeoXTokenizerFast"}) {
    folder.write("tokenizer.json", content).write("tokenizer_config.json", {{"tokenizer_class", name}});
    EXPECT_THAT(folder.open().encode("a"), ElementsAre('a'));
    EXPECT_FALSE(folder.open().begins_with_space());
    folder.write("tokenizer.json", tiny_tokenizer());
    folder.write("tokenizer_config.json", {{"tokenizer_class", name}, {"add_prefix_space", true}});
    EXPECT_THAT(folder.open().encode("a"), ElementsAre(' ', 'a'));
  }
}

/// vocab.json and merges.txt without tokenizer.json.
class VocabularyAndMerges : public testing::Test {
 protected:
  VocabularyAndMerges() {
    json vocabulary = tiny_tokenizer({"# #", "a b"})["model"]["vocab"];
    vocabulary["<|endoftext|>"] = 258;
    write("vocab.json", vocabulary.dump());
    write("merges.txt", "#version: 0.2\r\n# #\r\na b\r\n");
  }
  void write(char const* name, std::string const& content) { test::write_text(folder_ / name, content); }
  Tokenizer open() const { return Tokenizer::open(folder_.path()); }

  test::TemporaryFolder const folder_;
};

TEST_F(VocabularyAndMerges, AreReadByTheRulesOfGpt2) {
  EXPECT_THAT(open().encode("##ab<|endoftext|>"), ElementsAre(256, 257, 258));
  EXPECT_EQ(open().bos(), 258);
  EXPECT_EQ(open().eos(), 258);
  EXPECT_FALSE(open().adds_bos());
  write("merges.txt", "# #\na b\n");  // the first line is that of the version
  EXPECT_THAT(open().encode("##ab"), ElementsAre('#', '#', 257));
  write("merges.txt", "# #\na b c\n");
  EXPECT_THAT(complaint_of([&] { open(); }), HasSubstr("merges.txt': line 2 "));
}

TEST_F(VocabularyAndMerges, AddBosTokenDecidesWhatStandsBeforeAText) {
  write("tokenizer_config.json", R"({"tokenizer_class": "GPT2Tokenizer", "add_bos_token": true, "add_prefix_space": true})");
  EXPECT_EQ(head(open()), 258);
  EXPECT_THAT(open().encode("ab"), ElementsAre(' ', 257));
}

TEST_F(VocabularyAndMerges, TokensAreAddedByEitherFile) {
  write("added_tokens.json", R"({"<s>": 300, "[PAD]": 302})");
  write("tokenizer_config.json", R"({"bos_token": "<s>", "tokenizer_class": "GPT2Tokenizer"})");
  EXPECT_THAT(open().encode("ab<s>[PAD]"), ElementsAre(257, 300, 302));
  EXPECT_EQ(open().bos(), 300);
  EXPECT_EQ(open().vocabulary_size(), 303);
  write("tokenizer_config.json", R"({"added_tokens_decoder": {"301": {"content": "<t>"}}})");
  EXPECT_THAT(open().encode("ab<t>"), ElementsAre(257, 301));
  EXPECT_EQ(open().encode("<s>").size(), 3U);  // the newer file replaces the older one
}

TEST_F(VocabularyAndMerges, AreReadByTheRulesOfQwen2) {
  for (auto const& [name, content] : {std::pair{"tokenizer_config.json", R"({"tokenizer_class": "Qwen2TokenizerFast"})"},
                                      std::pair{"config.json", R"({"model_type": "qwen3"})"}}) {
    write(name, content);
    EXPECT_THAT(open().encode("e\u0301"), ElementsAre(0xC3, 0xA9));
    EXPECT_THAT(open().encode("(ab"), ElementsAre('(', 257));
    write("merges.txt", "a b\n");
    EXPECT_THAT(open().encode("ab"), ElementsAre(257));
    EXPECT_EQ(open().bos(), std::nullopt);
    EXPECT_EQ(open().eos(), 258);
    EXPECT_THAT(open().encode("<|endoftext|>"), ElementsAre(258));
    std::filesystem::remove(folder_ / name);
  }
}

TEST_F(VocabularyAndMerges, AreRefusedForOtherClasses) {
  write("tokenizer_config.json", R"({"tokenizer_class": "RobertaTokenizer"})");
  EXPECT_THAT(complaint_of([&] { open(); }), testing::AllOf(HasSubstr("'RobertaTokenizer'"), HasSubstr("save_pretrained")));
  write("tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizer"})");
  EXPECT_THAT(complaint_of([&] { open(); }), HasSubstr("'LlamaTokenizer'"));
}

}  // namespace
}  // namespace onemask
