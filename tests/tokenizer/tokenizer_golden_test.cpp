#include "support/golden_sources.hpp"
#include "support/shared_files.hpp"
#include "support/temporary_folder.hpp"
#include <onemask/core/file.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace onemask::test {
namespace {

using Ids = std::vector<std::int64_t>;

/// Texts, and their ids in tokenizers of several kinds.
class TokenizerGolden : public testing::TestWithParam<GoldenSource> {
 protected:
  void expect_equal(Tokenizer const& tokenizer, std::string const& column, SpecialTokens special) const {
    for (nlohmann::json const& item : items_) {
      std::string const text = item.at("text");
      Ids const ids = tokenizer.encode(text, special);
      EXPECT_EQ(ids, item.at(column).get<Ids>()) << "'" << text << "'";
      EXPECT_EQ(tokenizer.decode(ids), text);
    }
  }

  nlohmann::json const items_ = nlohmann::json::parse(read_file(GetParam().numbers / "tokenizer.json")).at("items");
};

using Gpt2TokenizerGolden = TokenizerGolden;
using Llama3TokenizerGolden = TokenizerGolden;

TEST_P(Gpt2TokenizerGolden, FromEitherFormat) {
  std::filesystem::path const checkpoint = GetParam().checkpoint;
  auto const config = nlohmann::json::parse(read_file(checkpoint / "config.json"));
  auto const size = config.at("vocab_size").get<std::int64_t>();
  Tokenizer const json = Tokenizer::open(checkpoint);
  TemporaryFolder const folder;
  for (char const* const name : {"vocab.json", "merges.txt"}) std::filesystem::copy_file(checkpoint / name, folder / name);
  Tokenizer const text = Tokenizer::open(folder.path());

  for (Tokenizer const& tokenizer : {json, text}) {
    expect_equal(tokenizer, "gpt2", SpecialTokens::recognised);
    EXPECT_EQ(tokenizer.vocabulary_size(), size);
    EXPECT_EQ(tokenizer.bos(), size - 1);
    EXPECT_EQ(tokenizer.eos(), size - 1);
    EXPECT_FALSE(tokenizer.adds_bos());
    EXPECT_EQ(tokenizer.encode("<|endoftext|>"), Ids{size - 1});
    EXPECT_GT(tokenizer.encode("<|endoftext|>", SpecialTokens::plain_text).size(), 1u);
  }
  EXPECT_EQ(json.fingerprint(), text.fingerprint());
}

TEST_P(Gpt2TokenizerGolden, WithAPrefixSpace) {
  Tokenizer const tokenizer = Tokenizer::open(GetParam().checkpoint);
  for (nlohmann::json const& item : items_) {
    EXPECT_EQ(tokenizer.encode(" " + item.at("text").get<std::string>()), item.at("gpt2_prefix_slow").get<Ids>());
  }
}

TEST_P(Llama3TokenizerGolden, TextsAndSpecialTokens) {
  Tokenizer const tokenizer = Tokenizer::open(GetParam().checkpoint);
  expect_equal(tokenizer, "llama3", SpecialTokens::plain_text);
  auto const size = tokenizer.vocabulary_size();  // begin and end of a text come last
  Ids ids = tokenizer.encode("Hi", SpecialTokens::plain_text);
  ids.insert(ids.begin(), size - 2);
  ids.push_back(size - 1);
  EXPECT_EQ(tokenizer.encode("<|begin_of_text|>Hi<|end_of_text|>"), ids);
}

/// A small tokenizer that ships and, where the folder `shared` is, Llama 3's own.
std::vector<GoldenSource> llama3_tokenizers() {
  auto const world = golden_sources().front().numbers;
  std::vector<GoldenSource> sources{{"tiny_llama", world, golden_llamas().front().checkpoint}};
  if (auto const shared = shared_folder()) sources.push_back({"llama3", *shared / "golden", *shared / "tokenizers" / "llama3"});
  return sources;
}

INSTANTIATE_TEST_SUITE_P(Of, Gpt2TokenizerGolden, testing::ValuesIn(golden_sources()), testing::PrintToStringParamName());
INSTANTIATE_TEST_SUITE_P(Of, Llama3TokenizerGolden, testing::ValuesIn(llama3_tokenizers()), testing::PrintToStringParamName());

}  // namespace
}  // namespace onemask::test
