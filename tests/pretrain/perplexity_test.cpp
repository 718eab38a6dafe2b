#include "support/tiny_model.hpp"
#include "support/tiny_tokenizer.hpp"
#include "support/world.hpp"
#include <onemask/core/error.hpp>
#include <onemask/pretrain/perplexity.hpp>
#include <onemask/work/text_pieces.hpp>

#include <cmath>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::HasSubstr;

/// Held-out text and a tokenizer of bytes, and the model that reads them.
class PretrainPerplexityTest : public testing::Test {
 protected:
  PretrainPerplexityTest() { write_text(folder_ / "tokenizer.json", tiny_tokenizer().dump()); }

  std::filesystem::path text(std::string const& content) const {
    write_text(folder_ / "text.txt", content);
    return folder_ / "text.txt";
  }
  Tokenizer tokenizer() const { return Tokenizer::open(folder_.path()); }

  TemporaryFolder folder_;
  std::unique_ptr<CausalLM> const model_ = tiny_gpt2().load();
};

TEST_F(PretrainPerplexityTest, IsThatOfAStudyWithTheDefaults) {
  std::string content;
  for (int i = 0; i < 900; ++i) content += "Document number " + std::to_string(i) + (i % 3 == 0 ? "\n\n" : " goes on.\n");
  for (bool const bos : {false, true}) {
    if (bos) write_text(folder_ / "tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizer", "bos_token": "!"})");
    PerplexityOptions options;
    options.text = {text(content)};
    auto const pieces = read_text(options, tokenizer(), model_->config());
    EXPECT_GT(pieces.size(), 2U);
    TextScore score;
    for (auto const& piece : pieces) {
      auto const part = score_text(*model_, piece.windows);
      score.nll += part.nll;
      score.tokens += part.tokens;
    }
    auto const ours = measure_perplexity(*model_, tokenizer(), options.text.front(), world());
    EXPECT_EQ(ours.tokens, score.tokens);
    EXPECT_NEAR(std::log(ours.value), score.nll / static_cast<double>(score.tokens), 1e-9);
  }
}

TEST_F(PretrainPerplexityTest, ATextOfOneTokenIsRefused) {
  auto const file = text("x\n");
  try {
    measure_perplexity(*model_, tokenizer(), file, world());
    FAIL() << "one token is scored after nothing";
  } catch (UserError const& error) {
    EXPECT_THAT(error.what(), HasSubstr("text.txt' has fewer than two tokens"));
  }
}

}  // namespace
}  // namespace onemask::test
