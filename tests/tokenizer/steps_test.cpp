#include "tokenizer/detail/added_tokens.hpp"
#include "tokenizer/detail/normalizer.hpp"
#include "tokenizer/detail/word_steps.hpp"

#include <dlfcn.h>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::detail {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Words = std::vector<std::string>;

Words words_of(std::vector<Step> const& steps, std::string const& text) {
  Words words;
  for (Piece const& piece : run_steps(steps, Piece::whole(text))) words.push_back(piece.text);
  return words;
}
std::string normal(Step const& step, std::string const& text) {
  auto const words = words_of({step}, text);
  return words.empty() ? "" : words.at(0);
}
Pattern expression(std::string const& text) {
  return Pattern::expression(text, "here");
}

TEST(Expressions, LeaveTheCLibrarysAlone) {
  Dl_info place{};
  ASSERT_NE(dladdr(dlsym(RTLD_DEFAULT, "regcomp"), &place), 0);
  EXPECT_THAT(place.dli_fname, testing::Not(testing::HasSubstr("onig"))) << "MPI would get Oniguruma's, which has other options";
}

TEST(NormalizerStep, BringsATextIntoANormalizationForm) {
  std::string const text = "e\u0301ﬁ\u212B가";
  EXPECT_EQ(normal(normalization_form("NFC"), text), "éﬁÅ가");
  EXPECT_EQ(normal(normalization_form("NFD"), text), "e\u0301ﬁA\u030A\u1100\u1161");
  EXPECT_EQ(normal(normalization_form("NFKC"), text), "éfiÅ가");
  EXPECT_EQ(normal(normalization_form("NFKD"), text), "e\u0301fiA\u030A\u1100\u1161");
}

TEST(NormalizerStep, LeavesCharactersOfLaterUnicodeAsTheyAre) {
  // U+1DF6 (Unicode 10) would otherwise move behind the mark below the letter.
  EXPECT_EQ(normal(normalization_form("NFC"), "e\u1DF6\u0323"), "e\u1DF6\u0323");
  EXPECT_EQ(normal(normalization_form("NFC"), "e\u0302\u0323"), "\u1EC7");
  EXPECT_EQ(normal(strip_accents(), "e\u1DF6\u0323"), "e\u1DF6");
}

TEST(NormalizerStep, MakesEveryCharacterSmall) {
  EXPECT_EQ(normal(lowercase(), "ÀΣİẞ1"), "àσi\u0307ß1");
  EXPECT_EQ(normal(lowercase(), "ΑΣ"), "ασ");  // not the Sigma of a word's end
}

TEST(NormalizerStep, StripsAccentsAndWhiteSpace) {
  EXPECT_EQ(normal(strip_accents(), "e\u0301é\u0903x"), "eéx");
  std::string const text = "\u3000\t a b\u00A0\n";
  EXPECT_EQ(normal(strip_white_space(true, true), text), "a b");
  EXPECT_EQ(normal(strip_white_space(true, false), text), "a b\u00A0\n");
  EXPECT_EQ(normal(strip_white_space(false, true), text), "\u3000\t a b");
  EXPECT_EQ(normal(strip_white_space(true, true), " \u3000 "), "");
}

TEST(NormalizerStep, ReplacesAndPrepends) {
  EXPECT_EQ(normal(replace(Pattern::literal("."), "é"), "a.b.."), "aébéé");
  EXPECT_EQ(normal(replace(expression("[aé]+"), "-"), "aéxa"), "-x-");
  EXPECT_EQ(normal(replace(expression("x*"), "-"), "axb"), "-a-b-");  // no empty match right behind a match
  EXPECT_EQ(normal(replace(Pattern::literal(""), "-"), "éa"), "-é-a-");
  EXPECT_EQ(normal(prepend("▁"), " a"), "▁ a");
  EXPECT_THAT(words_of({replace(Pattern::literal("a"), ""), prepend("▁")}, "a"), IsEmpty());
}

TEST(WordStep, CutsAtMatches) {
  Pattern const digits = expression("[0-9]");
  std::string const text = "1a23b";
  EXPECT_THAT(words_of({split(digits, Cut::removed, false)}, text), ElementsAre("a", "b"));
  EXPECT_THAT(words_of({split(digits, Cut::isolated, false)}, text), ElementsAre("1", "a", "2", "3", "b"));
  EXPECT_THAT(words_of({split(digits, Cut::contiguous, false)}, text), ElementsAre("1", "a", "23", "b"));
  EXPECT_THAT(words_of({split(digits, Cut::merged_with_previous, false)}, text), ElementsAre("1", "a2", "3", "b"));
  EXPECT_THAT(words_of({split(digits, Cut::merged_with_next, false)}, text), ElementsAre("1a", "2", "3b"));
  EXPECT_THAT(words_of({split(digits, Cut::removed, true)}, text), ElementsAre("1", "2", "3"));
  EXPECT_THAT(words_of({split(digits, Cut::merged_with_previous, true)}, text), ElementsAre("1a", "2", "3b"));
  EXPECT_THAT(words_of({split(expression(""), Cut::isolated, false)}, "aé"), ElementsAre("a", "é"));
}

/// As Oniguruma has it, and so the library `tokenizers`.
TEST(WordStep, ReadsExpressionsByOnigurumasRules) {
  EXPECT_THAT(words_of({split(expression("^b"), Cut::removed, false)}, "a\nbb"), ElementsAre("a\n", "b"));  // of every line
  EXPECT_THAT(words_of({split(expression("\\w+"), Cut::removed, true)}, "e\u0301‿a b"), ElementsAre("e\u0301‿a", "b"));
  EXPECT_THAT(words_of({split(expression("\\h"), Cut::removed, false)}, "xaF-"), ElementsAre("x", "-"));  // a hexadecimal digit
  EXPECT_THAT(words_of({split(expression("[\\p{L}&&[^a-c]]+"), Cut::removed, false)}, "aéxb"), ElementsAre("a", "b"));
}

TEST(WordStep, CutsAtClassesOfCharacters) {
  std::vector<Step> const digits{split(Pattern::one_of(is_number, "digits"), Cut::isolated, false)};
  EXPECT_THAT(words_of(digits, "a٣½Ⅷb"), ElementsAre("a", "٣", "½", "Ⅷ", "b"));
  std::vector<Step> const punctuation{split(Pattern::one_of(is_punctuation, "punctuation"), Cut::isolated, false)};
  EXPECT_THAT(words_of(punctuation, "a$。€b"), ElementsAre("a", "$", "。", "€b"));
  EXPECT_THAT(words_of({split_white_space_and_symbols()}, "don't  a_1\u200D+-\u3000é"),
              ElementsAre("don", "'", "t", "a_1\u200D", "+-", "é"));
}

TEST(WordStep, WritesBytes) {
  EXPECT_THAT(words_of({bytes_as_characters()}, "é \n"), ElementsAre("Ã©ĠĊ"));
  EXPECT_THAT(words_of({prefix_space()}, "a"), ElementsAre(" a"));
  EXPECT_THAT(words_of({prefix_space()}, " a"), ElementsAre(" a"));
  EXPECT_THAT(words_of({prefix_space()}, "\ta"), ElementsAre(" \ta"));
}

TEST(WordStep, MetaspaceCutsBeforeItsCharacter) {
  EXPECT_THAT(words_of({metaspace("▁", Prefix::always, true)}, "a  b"), ElementsAre("▁a", "▁", "▁b"));
  EXPECT_THAT(words_of({metaspace("_", Prefix::never, true)}, "a b_c"), ElementsAre("a", "_b", "_c"));
}

/// What begins the text is known through all steps before.
TEST(WordStep, MetaspaceKnowsWhereTheTextBegins) {
  std::vector<Step> steps{split(Pattern::literal("-"), Cut::removed, false), metaspace("▁", Prefix::first, false)};
  EXPECT_THAT(words_of(steps, "a-b"), ElementsAre("▁a", "b"));
  EXPECT_THAT(words_of(steps, "-a-b"), ElementsAre("a", "b"));
  steps.insert(steps.begin(), normalization_form("NFD"));
  EXPECT_THAT(words_of(steps, "é-b"), ElementsAre("▁e\u0301", "b"));
  steps.front() = prepend("xy");
  EXPECT_THAT(words_of(steps, "a-b"), ElementsAre("▁xya", "b"));
  steps.front() = strip_white_space(true, false);
  EXPECT_THAT(words_of(steps, " a-b"), ElementsAre("a", "b"));
  EXPECT_THAT(words_of(steps, "a-b"), ElementsAre("▁a", "b"));
  steps.front() = replace(Pattern::literal("a"), "cd");
  EXPECT_THAT(words_of(steps, "a-b"), ElementsAre("▁cd", "b"));
  EXPECT_THAT(words_of(steps, "ba-b"), ElementsAre("▁bcd", "b"));
}

/// The parts of a text, tokens as "[3]".
Words parts_of(std::vector<AddedToken> tokens, std::string const& text) {
  Words words;
  for (auto const& [begin, end, id] : AddedTokens(std::move(tokens)).parts(text))
    words.push_back((id ? "[" + std::to_string(*id) + "]" : "") + text.substr(begin, end - begin));
  return words;
}

TEST(AddedTokens, TakeWhiteSpaceBesideThem) {
  std::string const text = "a \u3000<m> \n<m>b";
  EXPECT_THAT(parts_of({{"<m>", 3}}, text), ElementsAre("a \u3000", "[3]<m>", " \n", "[3]<m>", "b"));
  EXPECT_THAT(parts_of({{"<m>", 3, true}}, text), ElementsAre("a", "[3] \u3000<m>", "[3] \n<m>", "b"));
  EXPECT_THAT(parts_of({{"<m>", 3, false, true}}, text), ElementsAre("a \u3000", "[3]<m> \n", "[3]<m>", "b"));
  EXPECT_THAT(parts_of({{"<m>", 3, true, true}}, text), ElementsAre("a", "[3] \u3000<m> \n", "[3]<m>", "b"));
  EXPECT_THAT(parts_of({{"<m>", 3, true}}, "  <m>"), ElementsAre("[3]  <m>"));
}

TEST(AddedTokens, AreSingleWords) {
  std::vector<AddedToken> const tokens{{"the", 3, false, false, true}};
  EXPECT_THAT(parts_of(tokens, "the the, then othe the\u0301 the_ the"),
              ElementsAre("[3]the", " ", "[3]the", ", then othe the\u0301 the_ ", "[3]the"));
  // The longer one is looked at alone, whatever the shorter one would be.
  EXPECT_THAT(parts_of({{"the", 3}, {"then", 4, false, false, true}}, "thens the"), ElementsAre("thens ", "[3]the"));
}

}  // namespace
}  // namespace onemask::detail
