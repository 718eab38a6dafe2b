#include "support/shared_files.hpp"
#include "support/temporary_folder.hpp"
#include <onemask/core/file.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

using Ids = std::vector<std::int64_t>;

/// The reference ids of 385 texts and of 4 with special tokens.
class TokenizerGolden : public testing::Test {
 protected:
  void SetUp() override {
    shared_ = test::shared_folder();
    if (!shared_) GTEST_SKIP() << "needs the folder 'shared' with the reference tokenizers";
    items_ = nlohmann::json::parse(read_file(*shared_ / "golden" / "tokenizer.json")).at("items");
    ASSERT_EQ(items_.size(), 389u);
  }

  void expect_equal(Tokenizer const& tokenizer, std::string const& column, SpecialTokens special) const {
    for (nlohmann::json const& item : items_) {
      std::string const text = item.at("text");
      Ids const ids = tokenizer.encode(text, special);
      EXPECT_EQ(ids, item.at(column).get<Ids>()) << "'" << text << "'";
      EXPECT_EQ(tokenizer.decode(ids), text);
    }
  }

  std::optional<std::filesystem::path> shared_;
  nlohmann::json items_;
};

TEST_F(TokenizerGolden, Gpt2FromEitherFormat) {
  std::filesystem::path const checkpoint = *shared_ / "checkpoints" / "cf-gpt2";
  Tokenizer const json = Tokenizer::open(checkpoint);
  test::TemporaryFolder const folder;
  for (char const* const name : {"vocab.json", "merges.txt"}) std::filesystem::copy_file(checkpoint / name, folder / name);
  Tokenizer const text = Tokenizer::open(folder.path());

  for (Tokenizer const& tokenizer : {json, text}) {
    expect_equal(tokenizer, "gpt2", SpecialTokens::recognised);
    EXPECT_EQ(tokenizer.vocabulary_size(), 50257);
    EXPECT_EQ(tokenizer.bos(), 50256);
    EXPECT_EQ(tokenizer.eos(), 50256);
    EXPECT_FALSE(tokenizer.adds_bos());
    EXPECT_EQ(tokenizer.encode("<|endoftext|>"), Ids{50256});
    EXPECT_GT(tokenizer.encode("<|endoftext|>", SpecialTokens::plain_text).size(), 1u);
  }
  EXPECT_EQ(json.fingerprint(), text.fingerprint());
}

TEST_F(TokenizerGolden, Gpt2WithAPrefixSpace) {
  Tokenizer const tokenizer = Tokenizer::open(*shared_ / "checkpoints" / "cf-gpt2");
  for (nlohmann::json const& item : items_) {
    EXPECT_EQ(tokenizer.encode(" " + item.at("text").get<std::string>()), item.at("gpt2_prefix_slow").get<Ids>());
  }
}

TEST_F(TokenizerGolden, Llama3) {
  Tokenizer const tokenizer = Tokenizer::open(*shared_ / "tokenizers" / "llama3");
  expect_equal(tokenizer, "llama3", SpecialTokens::plain_text);
  EXPECT_EQ(tokenizer.vocabulary_size(), 128002);
  EXPECT_EQ(tokenizer.encode("<|begin_of_text|>Hi<|end_of_text|>"), (Ids{128000, 13347, 128001}));
}

}  // namespace
}  // namespace onemask
