#include "support/temporary_folder.hpp"
#include "support/tiny_tokenizer.hpp"
#include <onemask/core/error.hpp>
#include <onemask/data/joined_text.hpp>
#include <onemask/data/prompt.hpp>

#include <optional>

#include <gtest/gtest.h>

namespace onemask::test {
namespace {

/// Every byte of a text is a token.
class JoinedTextTest : public testing::Test {
 protected:
  JoinedTextTest() {
    write_text(folder_ / "tokenizer.json", tiny_tokenizer().dump());
    write_text(folder_ / "text.txt", "one\n\ntwo\nlines\n\n" + std::string(9000, 'x') + "\n\nend\n");  // two units
  }

  std::string joined(std::size_t most = 0) const {
    auto const words = Tokenizer::open(folder_.path());
    return words.decode(joined_tokens(Corpus::of_texts({folder_ / "text.txt"}), words, 256, most));
  }

  TemporaryFolder folder_;
};

TEST_F(JoinedTextTest, DocumentsFollowEachOther) {
  EXPECT_EQ(head_token(Tokenizer::open(folder_.path())), std::nullopt);
  EXPECT_EQ(joined(), "onetwo\nlines" + std::string(9000, 'x') + "end");
}

TEST_F(JoinedTextTest, OnlyTheFirst) {
  EXPECT_EQ(joined(5), "onetw");
  EXPECT_EQ(joined(12), "onetwo\nlines");
  EXPECT_EQ(joined(100'000).size(), 9015U);
}

TEST_F(JoinedTextTest, WithoutTheHead) {
  write_text(folder_ / "tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizer", "bos_token": "!"})");
  EXPECT_EQ(head_token(Tokenizer::open(folder_.path())), '!');
  EXPECT_EQ(joined(12), "onetwo\nlines");
}

TEST_F(JoinedTextTest, TokensThatTheModelLacks) {
  auto const words = Tokenizer::open(folder_.path());
  EXPECT_THROW(joined_tokens(Corpus::of_texts({folder_ / "text.txt"}), words, 'x'), UserError);
}

}  // namespace
}  // namespace onemask::test
