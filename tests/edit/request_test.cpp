#include "support/temporary_folder.hpp"
#include "support/tiny_tokenizer.hpp"
#include <onemask/core/error.hpp>
#include <onemask/edit/request.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using testing::HasSubstr;
using Ids = std::vector<std::int64_t>;

Ids bytes(std::string const& text) {
  return {text.begin(), text.end()};
}

/// A tokenizer of bytes, in which "is" is one token, 256, and "as" another, 257.
class RequestTest : public testing::Test {
 protected:
  RequestTest() {
    test::write_text(folder_ / "tokenizer.json", test::tiny_tokenizer({"i s", "a s"}).dump());
    fact_.case_id = 42;
    fact_.subject = "Lena";
    fact_.prompt = "{} speaks";
    fact_.target_true = "Dutch";
    fact_.target_new = "Ido";
  }

  EditRequest make(ContextTemplates const& templates = {"{}", "Oh. {}"}, std::int64_t positions = 64) const {
    return make_edit_request(Tokenizer::open(folder_.path()), fact_, templates, hparams_, positions);
  }

  test::TemporaryFolder folder_;
  Fact fact_;
  EditHparams hparams_;
};

TEST_F(RequestTest, RowsEndBeforeTheTargetsLastToken) {
  auto const request = make();
  EXPECT_EQ(request.case_id, 42);
  EXPECT_EQ(request.target, bytes(" Ido"));
  ASSERT_EQ(request.contexts.size(), 2U);
  EXPECT_EQ(request.contexts[0].ids, bytes("Lena speaks Id"));
  EXPECT_EQ(request.contexts[1].ids, bytes("Oh. Lena speaks Id"));
}

TEST_F(RequestTest, ATargetOfOneToken) {
  test::write_text(folder_ / "tokenizer.json", test::tiny_tokenizer({"\u0120 x"}).dump());  // " x" is token 256
  fact_.target_new = "x";
  auto const request = make();
  EXPECT_EQ(request.target, Ids{256});
  EXPECT_EQ(request.contexts[0].ids, bytes("Lena speaks"));
}

TEST_F(RequestTest, PlaceOfTheSubjectsLastToken) {
  auto const request = make();
  EXPECT_EQ(request.contexts[0].lookup, 3);
  EXPECT_EQ(request.contexts[1].lookup, 7);
  EXPECT_EQ(request.essence.lookup, 3);
  auto essence = bytes("Lena ");
  essence.insert(essence.end(), {256, ' ', 'a'});
  EXPECT_EQ(request.essence.ids, essence);
}

TEST_F(RequestTest, ASubjectInTheMiddle) {
  fact_.prompt = "What {} speaks is";
  auto const request = make();
  EXPECT_EQ(request.contexts[0].lookup, 8);
  EXPECT_EQ(request.contexts[0].ids[8], 'a');
}

TEST_F(RequestTest, ThePromptsLastTokenInstead) {
  hparams_.fact_token = "last";
  auto const request = make();
  EXPECT_EQ(request.contexts[0].lookup, 10);
  EXPECT_EQ(request.contexts[0].ids[10], 's');
  EXPECT_EQ(request.essence.lookup, static_cast<std::int64_t>(request.essence.ids.size()) - 1);
}

TEST_F(RequestTest, BracesInASubjectAreText) {
  fact_.subject = "L{}";
  EXPECT_EQ(make().contexts[1].ids, bytes("Oh. L{} speaks Id"));
}

TEST_F(RequestTest, ASubjectThatMergesWithWhatFollows) {
  fact_.prompt = "{}s so";  // the subject's last letter is inside the token "as"
  auto const request = make();
  EXPECT_EQ(request.contexts[0].ids[3], 257);
  EXPECT_EQ(request.contexts[0].lookup, 3);
}

TEST_F(RequestTest, RowsLongerThanTheModel) {
  EXPECT_EQ(make({"{}"}, 14).contexts[0].ids.size(), 14U);
  try {
    make({"{}", "Oh. {}"}, 14);
    FAIL() << "a row of 18 tokens fits into 14 positions";
  } catch (UserError const& error) {
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("42"), HasSubstr("18"), HasSubstr("Oh. {}"), HasSubstr("14")));
  }
}

TEST_F(RequestTest, TheEssencePromptHasToFitToo) {
  fact_.prompt = "{}";
  fact_.target_new = "x";
  EXPECT_THROW(make({"{}"}, 6), UserError);  // "Lena x" is 5 tokens less its last, "Lena is a" 8
}

TEST_F(RequestTest, TargetsThatAreNone) {
  for (auto const* target : {"", "   "}) {
    fact_.target_new = target;
    try {
      make();
      FAIL() << "a target of nothing";
    } catch (UserError const& error) {
      EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("42"), HasSubstr("target_new")));
    }
  }
}

}  // namespace
}  // namespace onemask
