#include "support/complaint.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_tokenizer.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/random.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using nlohmann::json;
using test::added_token;
using test::complaint_of;
using test::tiny_tokenizer;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Ids = std::vector<std::int64_t>;

Tokenizer open(json const& content, json const& config = nullptr) {
  test::TemporaryFolder const folder;
  test::write_text(folder / "tokenizer.json", content.dump());
  if (!config.is_null()) test::write_text(folder / "tokenizer_config.json", config.dump());
  return Tokenizer::open(folder.path());
}

json split(std::string const& expression) {
  json const steps = {{{"type", "Split"}, {"pattern", {{"Regex", expression}}}, {"behavior", "Isolated"}, {"invert", false}},
                      {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}};
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

TEST(Tokenizer, MergesTheLowestRankFirstAndTheLeftmostOfEquals) {
  Tokenizer const by_rank = open(tiny_tokenizer({"b c", "a b"}));
  EXPECT_THAT(by_rank.encode("abc"), ElementsAre('a', 256));
  EXPECT_THAT(by_rank.encode("ab"), ElementsAre(257));
  Tokenizer const repeated = open(tiny_tokenizer({"a a", "aa aa"}));
  EXPECT_THAT(repeated.encode("aaa"), ElementsAre(256, 'a'));
  EXPECT_THAT(repeated.encode("aaaaaaa"), ElementsAre(257, 256, 'a'));
}

TEST(Tokenizer, DecodesBytesWhateverStepFollowsThem) {
  json content = tiny_tokenizer({"Ġ b"});
  content["pre_tokenizer"] = split(" ?b");
  auto const expected = open(content).decode(open(content).encode("a b"));
  json& steps = content["pre_tokenizer"]["pretokenizers"];
  steps.push_back({{"type", "Digits"}, {"individual_digits", true}});
  EXPECT_EQ(open(content).decode(open(content).encode("a b1")), expected + "1");
  EXPECT_THAT(open(content).encode("a b"), ElementsAre('a', 256));
}

TEST(Tokenizer, TokensThatNoTextBecomesMayLieBeyondTheModel) {
  json content = tiny_tokenizer({"a b"});
  content["model"]["vocab"]["[PAD]"] = 257;
  EXPECT_THAT(open(content).within(257).encode("[PAD]ab"), ElementsAre('[', 'P', 'A', 'D', ']', 256));
  content["added_tokens"] = {added_token("[PAD]", 257)};
  auto const tokenizer = open(content).within(257);
  EXPECT_THAT(test::complaint_of([&] { tokenizer.encode("[PAD]"); }), testing::HasSubstr("token 257"));
  EXPECT_THROW(open(content).within(256), UserError);
}

TEST(Tokenizer, MergesWithinWordsOnly) {
  Tokenizer const tokenizer = open(tiny_tokenizer({"Ġ b", "a Ġ", "' l", "'l l"}));
  EXPECT_THAT(tokenizer.encode("a b"), ElementsAre('a', 256));
  EXPECT_THAT(tokenizer.encode("a  b"), ElementsAre('a', ' ', 256));  // the last space of several belongs to the word
  EXPECT_THAT(tokenizer.encode("b'll"), ElementsAre('b', 259));
  EXPECT_THAT(tokenizer.encode(""), IsEmpty());
}

TEST(Tokenizer, ReadsMergesAsPairsToo) {
  json content = tiny_tokenizer({"b c", "a b"});
  content["model"]["merges"] = json::array({json::array({"b", "c"}), json::array({"a", "b"})});
  EXPECT_EQ(open(content).fingerprint(), open(tiny_tokenizer({"b c", "a b"})).fingerprint());
}

TEST(Tokenizer, OfTwoMergesOfAPairTheLastCounts) {
  EXPECT_THAT(open(tiny_tokenizer({"a b", "b c"})).encode("abc"), ElementsAre(256, 'c'));
  json content = tiny_tokenizer({"a b", "b c"});
  content["model"]["merges"] = {"a b", "b c", "a b"};
  EXPECT_THAT(open(content).encode("abc"), ElementsAre('a', 257));
}

TEST(Tokenizer, WholeWordsAreOneTokenWithIgnoreMerges) {
  json content = tiny_tokenizer();
  content["model"]["vocab"]["xyz"] = 300;
  EXPECT_THAT(open(content).encode("xyz"), ElementsAre('x', 'y', 'z'));
  std::string const merged = open(content).fingerprint();
  content["model"]["ignore_merges"] = true;
  EXPECT_THAT(open(content).encode("xyz"), ElementsAre(300));
  EXPECT_NE(open(content).fingerprint(), merged);
  EXPECT_EQ(open(content).vocabulary_size(), 301);
}

TEST(Tokenizer, MustNotKnowMoreThanTheModel) {
  Tokenizer const tokenizer = open(tiny_tokenizer({"x y"}));
  EXPECT_NO_THROW(tokenizer.within(257));
  try {
    tokenizer.within(256);
    FAIL();
  } catch (UserError const& error) {
    EXPECT_THAT(error.what(), HasSubstr("token ids up to 256, but the model knows only 256"));
  }
}

TEST(Tokenizer, AddedTokensBeyondTheModelAreRefusedInTexts) {
  json content = tiny_tokenizer();
  content["added_tokens"] = json::array({added_token("<a>", 300), added_token("<image>", 301), added_token("<é>", 302, true)});
  auto const tokenizer = open(content).within(301);
  EXPECT_THAT(tokenizer.encode("c<a>b"), ElementsAre('c', 300, 'b'));
  EXPECT_THAT(tokenizer.encode("<image>", SpecialTokens::plain_text).size(), 7);
  for (auto const& [text, token] :
       {std::pair("c<image>b", "'<image>', which is token 301"), std::pair("<é>", "'<é>', which is token 302")}) {
    try {
      tokenizer.encode(text);
      FAIL() << text;
    } catch (UserError const& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr(token), HasSubstr("knows only 301 tokens. Leave it out")));
    }
  }
}

TEST(Tokenizer, FindsAddedTokensLeftmostAndLongest) {
  json content = tiny_tokenizer();
  content["added_tokens"] = json::array({added_token("<a>", 300), added_token("<a>b", 301), added_token("é x", 302)});
  Tokenizer const tokenizer = open(content);
  EXPECT_THAT(tokenizer.encode("c<a>b<a>é x"), ElementsAre('c', 301, 300, 302));
  EXPECT_THAT(tokenizer.encode("<a>", SpecialTokens::plain_text), ElementsAre('<', 'a', '>'));
  EXPECT_EQ(tokenizer.decode(Ids{302, 'c'}), "é xc");
  EXPECT_EQ(tokenizer.token_text(301), "<a>b");
}

TEST(Tokenizer, FindsVerbatimTokensBeforeNormalizedOnes) {
  json content = tiny_tokenizer();
  content["added_tokens"] = json::array({added_token("y<x", 300, true), added_token("<x>", 301, false)});
  EXPECT_THAT(open(content).encode("y<x>y<x"), ElementsAre('y', 301, 300));
}

TEST(Tokenizer, CutsByTheExpressionOfTheFile) {
  json content = tiny_tokenizer({"1 2", "12 3", "2 3", "123 4"});
  content["pre_tokenizer"] = split(R"(\p{N}{1,3}|\s+)");
  EXPECT_THAT(open(content).encode("x1234"), ElementsAre('x', 257, '4'));
}

TEST(Tokenizer, MeansUnicodeWhiteSpaceBySmallAndCapitalS) {
  // U+180E is no white space since Unicode 6.3, U+3000 is; the words show in whether their last byte is merged with the x after
  // it.
  json content = tiny_tokenizer({test::written(0x8E) + " x", test::written(0x80) + " x"});
  content["pre_tokenizer"] = split(R"([\s]|[^\s]+)");
  EXPECT_THAT(open(content).encode("\u180Ex"), ElementsAre(0xE1, 0xA0, 256));
  EXPECT_THAT(open(content).encode("\u3000x"), ElementsAre(0xE3, 0x80, 0x80, 'x'));
  content["pre_tokenizer"] = split(R"(\s|\S+)");
  EXPECT_THAT(open(content).encode("\u180Ex"), ElementsAre(0xE1, 0xA0, 256));
  EXPECT_THAT(open(content).encode("\u3000x"), ElementsAre(0xE3, 0x80, 0x80, 'x'));
}

std::string random_text(RandomStream& random) {
  std::string text;
  for (std::uint64_t length = random.below(24); length > 0; --length) {
    static constexpr std::uint32_t limits[] = {0x80, 0x80, 0x800, 0x10000, 0x110000};
    std::uint32_t const code = static_cast<std::uint32_t>(random.below(limits[random.below(5)]));
    if (code >= 0xD800 && code < 0xE000) continue;
    auto const tail = [&](unsigned shift) { return static_cast<char>(0x80 | (code >> shift & 0x3F)); };
    if (code < 0x80) {
      text += static_cast<char>(code);
    } else if (code < 0x800) {
      text.append({static_cast<char>(0xC0 | code >> 6), tail(0)});
    } else if (code < 0x10000) {
      text.append({static_cast<char>(0xE0 | code >> 12), tail(6), tail(0)});
    } else {
      text.append({static_cast<char>(0xF0 | code >> 18), tail(12), tail(6), tail(0)});
    }
  }
  return text;
}

TEST(Tokenizer, DecodesWhatItEncoded) {
  json content = tiny_tokenizer({"Ġ a", "e r", "Ġ Ġ", "Ċ Ċ", test::written(0xC3) + " " + test::written(0xA9), "t h", "th e"});
  content["added_tokens"] = json::array({added_token("<|end|>", 300), added_token("\u00e9!", 301)});
  Tokenizer const tokenizer = open(content);
  RandomStream random({1, 2, 3});
  for (int i = 0; i < 5000; ++i) {
    std::string text = random_text(random);
    if (i % 7 == 0) text += "the <|end|>\u00e9!\u00e9 \n\n" + random_text(random);
    for (SpecialTokens const special : {SpecialTokens::recognised, SpecialTokens::plain_text}) {
      ASSERT_EQ(tokenizer.decode(tokenizer.encode(text, special)), text);
    }
  }
}

TEST(Tokenizer, EncodesOneLongWordInTime) {
  Tokenizer const tokenizer = open(tiny_tokenizer({"a a", "aa aa", "aaaa aaaa"}));
  EXPECT_EQ(tokenizer.encode(std::string(800'000, 'a')), Ids(100'000, 258));
}

TEST(Tokenizer, ThreadsShareIt) {
  Tokenizer const tokenizer = open(tiny_tokenizer({"t h", "th e", "Ġ the"}));
  Ids const expected = tokenizer.encode("the cat and the dog");
  std::vector<std::thread> threads;
  std::vector<int> equal(4, 0);
  for (int& count : equal) {
    threads.emplace_back([&tokenizer, &expected, &count] {
      for (int i = 0; i < 500; ++i) count += tokenizer.encode("the cat and the dog") == expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(equal, testing::Each(500));
}

TEST(Tokenizer, RefusesTextThatIsNotUtf8) {
  Tokenizer const tokenizer = open(tiny_tokenizer());
  std::vector<std::pair<std::string, std::string>> const cases = {{"ab\xFF", "byte 2 is 0xFF"},
                                                                  {"\x80", "byte 0 is 0x80"},
                                                                  {"a\xC3", "byte 1 is 0xC3"},
                                                                  {"\xC0\xAF", "byte 0 is 0xC0"},
                                                                  {"\xED\xA0\x80", "byte 0 is 0xED"},
                                                                  {"\xE0\x80\x80", "byte 0 is 0xE0"},
                                                                  {"x\xF4\x90\x80\x80", "byte 1 is 0xF4"},
                                                                  {"\xF0\x9F\x98", "byte 0 is 0xF0"},
                                                                  {"\xF0\x8F\xBF\xBF", "byte 0 is 0xF0"}};
  for (auto const& [text, message] : cases) {
    EXPECT_THAT(complaint_of([&] { tokenizer.encode(text); }), HasSubstr(message));
  }
  EXPECT_THAT(tokenizer.encode(std::string("\0", 1)), ElementsAre(0));
}

TEST(Tokenizer, RefusesIdsThatAreNoTokens) {
  json content = tiny_tokenizer();
  content["model"]["vocab"]["xyz"] = 300;
  Tokenizer const tokenizer = open(content);
  for (std::int64_t const id : {std::int64_t{-1}, std::int64_t{256}, std::int64_t{301}, INT64_MAX, INT64_MIN}) {
    EXPECT_THAT(complaint_of([&] { tokenizer.decode(Ids{65, id}); }), HasSubstr("The id " + std::to_string(id)));
    EXPECT_THROW(tokenizer.token_text(id), UserError);
  }
}

TEST(HostileFiles, AreRefusedByNameAndPlace) {
  struct Case {
    json::json_pointer at;
    json value;
    std::string message;
  };
  json base = tiny_tokenizer({"a b", "b c"});
  base["added_tokens"].push_back(added_token("<s>", 258));
  auto const at = [](char const* pointer) { return json::json_pointer(pointer); };
  std::vector<Case> const cases = {
      {at("/normalizer"), {{"type", "Nmt"}}, "'normalizer' is of the type 'Nmt'"},
      {at("/pre_tokenizer/type"), "UnicodeScripts", "'pre_tokenizer' is of the type 'UnicodeScripts'"},
      {at("/pre_tokenizer/add_prefix_space"), "no", "must be true or false"},
      {at("/pre_tokenizer"), {{"type", "Sequence"}}, "lacks 'pretokenizers'"},
      {at("/pre_tokenizer"), {{"type", "Punctuation"}, {"behavior", "Kept"}}, "'pre_tokenizer.behavior' must be 'Removed', "},
      {at("/pre_tokenizer"), {{"type", "Metaspace"}, {"replacement", "__"}}, "'pre_tokenizer.replacement' must be one"},
      {at("/pre_tokenizer"), split("(a"), "'(a' does not compile"},
      {at("/pre_tokenizer"), split("[b-a]"), "does not compile"},
      {at("/post_processor"), {{"type", "TemplateProcessing"}}, "lacks 'single'"},
      {at("/model"), 3, "'model' must be an object, not number"},
      {at("/model/type"), "WordPiece", "'model' is of the type 'WordPiece'"},
      {at("/model/dropout"), 0.1, "'model.dropout' is not 0"},
      {at("/model/end_of_word_suffix"), "</w>", "end_of_word_suffix"},
      {at("/model/vocab"), json::array({"a"}), "'model.vocab' must be an object"},
      {at("/model/vocab/a"), -1, "the token 'a' the id -1"},
      {at("/model/vocab/a"), 1.5, "the id 1.5"},
      {at("/model/vocab/a"), 1'000'000'000'000, "the id 1000000000000"},
      {at("/model/vocab/a"), 98, "the id 98 to two tokens"},
      {at("/model/merges"), "a b", "'model.merges' must be a list"},
      {at("/model/merges/1"), "b  c", "'model.merges.1' must be two tokens"},
      {at("/model/merges/1"), 7, "'model.merges.1' must be a text"},
      {at("/model/merges/1"), json::array({"b"}), "'model.merges.1' must be two tokens"},
      {at("/model/merges/1"), "b zz", "merge 1 needs the token 'zz'"},
      {at("/model/merges/1"), "c c", "merge 1 needs the token 'cc'"},
      {at("/added_tokens"), json::array({added_token("", 300)}), "is empty"},
      {at("/added_tokens"), json::array({added_token("<s>", 1 << 30)}), "too large"},
      {at("/added_tokens"), json::array({added_token("<s>", 65)}), "contradicts"},
      {at("/added_tokens"), json::array({added_token("a", 300)}), "contradicts"},
      {at("/added_tokens"), json::array({{{"id", 300}}}), "'added_tokens.0' lacks 'content'"},
      {at("/added_tokens"), json::array({{{"id", "300"}, {"content", "x"}}}), "'added_tokens.0.id' must be an integer"},
      {at("/added_tokens/0/lstrip"), "no", "'added_tokens.0.lstrip' must be true or false"},
  };
  for (Case const& hostile : cases) {
    json content = base;
    content[hostile.at] = hostile.value;
    EXPECT_THAT(complaint_of([&] { open(content); }), testing::AllOf(HasSubstr("tokenizer.json'"), HasSubstr(hostile.message)));
  }
  ASSERT_EQ(complaint_of([&] { open(base); }), "");
}

TEST(HostileFiles, CutAnywhereAreRefused) {
  std::string const whole = tiny_tokenizer({"a b"}).dump();
  test::TemporaryFolder const folder;
  for (std::size_t size = 0; size < whole.size(); size += 41) {
    test::write_text(folder / "tokenizer.json", whole.substr(0, size));
    ASSERT_THAT(complaint_of([&] { Tokenizer::open(folder.path()); }), HasSubstr("is not valid JSON"));
  }
}

TEST(HostileFiles, AFolderWithoutATokenizerSaysWhatIsMissing) {
  test::TemporaryFolder const folder;
  EXPECT_THAT(complaint_of([&] { Tokenizer::open(folder.path()); }), HasSubstr("neither tokenizer.json, nor vocab.json"));
  EXPECT_THROW(Tokenizer::open(folder / "absent"), UserError);
}

TEST(HostileFiles, AnExpressionThatNeverEndsIsStopped) {
  json content = tiny_tokenizer();
  content["pre_tokenizer"] = split("(?:a|aa)+(?=c)");
  EXPECT_THAT(complaint_of([&] { open(content).encode(std::string(60, 'a') + "b"); }), HasSubstr("fails on a text of 61 bytes"));
  content["pre_tokenizer"] = split("x*");  // matches nothing at all in many places
  EXPECT_THAT(open(content).encode("axxb"), ElementsAre('a', 'x', 'x', 'b'));
}

}  // namespace
}  // namespace onemask
