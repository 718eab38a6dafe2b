#include "support/complaint.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_tokenizer.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/random.hpp>
#include <onemask/tokenizer/tokenizer.hpp>
#include <onemask/tokenizer/train_tokenizer.hpp>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using Texts = std::vector<std::string>;

/// The bytes of the first `count` merged tokens.
Texts merged(Texts const& texts, std::int64_t count) {
  TrainedTokenizer const trained = train_byte_pairs(texts, 257 + count);
  EXPECT_THAT(trained.tokens, SizeIs(257 + count));
  EXPECT_EQ(trained.tokens.back(), "<|endoftext|>");
  return {trained.tokens.begin() + 256, trained.tokens.end() - 1};
}

std::string message_of(Texts const& texts, std::int64_t size) {
  return test::complaint_of([&] { train_byte_pairs(texts, size); });
}

/// Words of letters a to c, each a text.
Texts random_words(std::uint64_t seed) {
  RandomStream random({seed});
  Texts words(30);
  for (std::string& word : words) {
    word.resize(1 + random.below(9));
    for (char& letter : word) letter = static_cast<char>('a' + random.below(3));
  }
  return words;
}

/// All texts, each one word, as pieces; the pairs are counted afresh for each merge.
Texts merged_by_recounting(Texts const& words, std::size_t merges) {
  std::vector<Texts> all;
  for (std::string const& word : words) {
    Texts& pieces = all.emplace_back();
    for (char const letter : word) pieces.emplace_back(1, letter);
  }
  Texts learnt;
  while (learnt.size() < merges) {
    std::map<std::pair<std::string, std::string>, int> counts;  // in byte order: of equals the first is the smallest
    for (Texts const& pieces : all) {
      for (std::size_t i = 1; i < pieces.size(); ++i) ++counts[{pieces[i - 1], pieces[i]}];
    }
    if (counts.empty()) break;
    auto const [left, right] =
        std::max_element(counts.begin(), counts.end(), [](auto const& a, auto const& b) { return a.second < b.second; })->first;
    learnt.push_back(left + right);
    for (Texts& pieces : all) {
      for (std::size_t i = 1; i < pieces.size(); ++i) {
        if (pieces[i - 1] != left || pieces[i] != right) continue;
        pieces[i - 1] += right;
        pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
  }
  return learnt;
}

TEST(TrainBytePairs, JoinsTheMostFrequentPairOfWords) {
  // The words are "ab", " ab" and " abc": (a, b) three times, (space, a) twice; then (space, ab) twice.
  TrainedTokenizer const trained = train_byte_pairs(Texts{"ab ab abc"}, 260);
  auto const id_of = [&](std::string const& token) {
    return static_cast<std::int32_t>(std::find(trained.tokens.begin(), trained.tokens.end(), token) - trained.tokens.begin());
  };
  EXPECT_THAT(merged({"ab ab abc"}, 3), ElementsAre("ab", " ab", " abc"));
  EXPECT_THAT(trained.merges, ElementsAre(TrainedTokenizer::Merge{id_of("a"), id_of("b")},
                                          TrainedTokenizer::Merge{id_of(" "), 256}, TrainedTokenizer::Merge{257, id_of("c")}));
  EXPECT_EQ(id_of("!"), 0);    // GPT-2's ids of the bytes:
  EXPECT_EQ(id_of("a"), 64);   // printable ones first,
  EXPECT_EQ(id_of(" "), 220);  // then the others
  EXPECT_EQ(id_of("\n"), 198);
}

TEST(TrainBytePairs, TakesTheSmallerPairOfEquallyFrequentOnes) {
  EXPECT_THAT(merged({"ba ca"}, 3), ElementsAre(" c", " ca", "ba"));  // a space is byte 32, though its id is large
  EXPECT_THAT(merged({"ac", "ab"}, 2), ElementsAre("ab", "ac"));
  EXPECT_THAT(merged({"é", "zz"}, 2), ElementsAre("zz", "é"));  // bytes above 127 are large
  EXPECT_THAT(merged({"ac", "ab", "ac"}, 2), ElementsAre("ac", "ab"));
}

TEST(TrainBytePairs, MergesRunsFromTheLeft) {
  EXPECT_THAT(merged({"aaaaa"}, 3), ElementsAre("aa", "aaa", "aaaaa"));  // aa aa a; (aa, a) comes before (aa, aa)
  EXPECT_THAT(merged({"abab"}, 2), ElementsAre("ab", "abab"));
  EXPECT_THAT(merged({"ababa", "ba"}, 1), ElementsAre("ba"));  // (b, a) three times, (a, b) twice
}

TEST(TrainBytePairs, EqualsRecountingAfterEveryMerge) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    Texts const words = random_words(seed);
    Texts const expected = merged_by_recounting(words, 40);
    EXPECT_EQ(merged(words, static_cast<std::int64_t>(expected.size())), expected) << "seed " << seed;
  }
}

TEST(TrainBytePairs, DependsOnTheCountsOnly) {
  Texts const words = random_words(99);
  Texts reversed(words.rbegin(), words.rend());
  EXPECT_EQ(merged(words, 30), merged(reversed, 30));
}

TEST(TrainBytePairs, RefusesSizesAndTextsThatDoNotFit) {
  EXPECT_THAT(message_of({"ab"}, 256), HasSubstr("256"));
  EXPECT_THAT(message_of({"ab"}, (1 << 20) + 1), HasSubstr("1048576"));
  EXPECT_THAT(message_of({"ab"}, -1), HasSubstr("from 257"));
  EXPECT_THAT(message_of({"ab ab abc"}, 261), HasSubstr("a vocabulary of 260 tokens, not of 261"));
  EXPECT_THAT(message_of({}, 258), HasSubstr("a vocabulary of 257 tokens"));
  EXPECT_THAT(message_of({"fine", "b\xFF"}, 258), HasSubstr("Text 1 to train a tokenizer on is not valid UTF-8 at byte 1."));
  EXPECT_THAT(merged({}, 0), SizeIs(0));
}

class WriteTokenizer : public testing::Test {
 protected:
  WriteTokenizer() {
    write_tokenizer(train_byte_pairs(texts_, 280), folder_ / "all", 1024);
    std::filesystem::create_directory(folder_ / "pair");
    for (char const* const name : {"vocab.json", "merges.txt"})
      std::filesystem::copy(folder_ / "all" / name, folder_ / "pair" / name);
  }

  Texts const texts_{"The quick \"brown\" fox, the \\ lazy dog.\nThe naïve café, the 2nd quick café: 東京 東京"};
  test::TemporaryFolder const folder_;
};

TEST_F(WriteTokenizer, BothFormatsAreTheSameTokenizer) {
  Tokenizer const whole = Tokenizer::open(folder_ / "all"), pair = Tokenizer::open(folder_ / "pair");
  EXPECT_EQ(whole.fingerprint(), pair.fingerprint());
  for (Tokenizer const& tokenizer : {whole, pair}) {
    EXPECT_EQ(tokenizer.vocabulary_size(), 280);
    EXPECT_EQ(tokenizer.bos(), 279);
    EXPECT_EQ(tokenizer.eos(), 279);
    EXPECT_THAT(tokenizer.encode("!<|endoftext|>!"), ElementsAre(0, 279, 0));
    EXPECT_FALSE(tokenizer.adds_bos());
  }
}

TEST_F(WriteTokenizer, WritesAllBytesAndGetsThemBack) {
  Tokenizer const tokenizer = Tokenizer::open(folder_ / "all");
  std::vector<bool> seen(256);
  for (std::int64_t id = 0; id < 256; ++id) {
    std::string const byte = tokenizer.token_text(id);
    ASSERT_THAT(byte, SizeIs(1));
    seen[static_cast<unsigned char>(byte[0])] = true;
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), true), 256);

  std::string every = texts_[0];
  for (unsigned code = 0; code < 0x800; ++code) {
    if (code < 0x80) {
      every += static_cast<char>(code);
    } else {
      every.append({static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))});
    }
  }
  every += "\u20AC\U0001F600\U0010FFFF";
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(every)), every);
  EXPECT_LT(tokenizer.encode(texts_[0]).size(), texts_[0].size() * 7 / 10);
}

TEST_F(WriteTokenizer, GivesEqualBytesForEqualTexts) {
  write_tokenizer(train_byte_pairs(texts_, 280), folder_ / "again", 1024);
  for (char const* const name :
       {"vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}) {
    EXPECT_EQ(read_file(folder_ / "all" / name), read_file(folder_ / "again" / name)) << name;
  }
  EXPECT_THAT(read_file(folder_ / "all" / "merges.txt"), testing::StartsWith("#version: 0.2\n"));
}

TEST_F(WriteTokenizer, SaysWhatCannotBeWritten) {
  test::write_text(folder_ / "file", "");
  EXPECT_THROW(write_tokenizer(train_byte_pairs({}, 257), folder_ / "file", 8), RunError);
  EXPECT_THROW(write_tokenizer({}, folder_ / "empty", 8), ShapeError);
}

}  // namespace
}  // namespace onemask
