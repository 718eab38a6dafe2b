#include "support/tiny_model.hpp"
#include <onemask/core/error.hpp>
#include <onemask/model/pass.hpp>
#include <onemask/model/perplexity.hpp>

#include <cmath>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::ElementsAre;
using Ids = std::vector<std::int64_t>;

Ids counting(std::int64_t count) {
  Ids ids(static_cast<std::size_t>(count));
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

TEST(CutText, SideBySide) {
  EXPECT_THAT(cut_text(counting(10), {}, 4, 0),
              ElementsAre(TextWindow{{0, 1, 2, 3}, 1}, TextWindow{{4, 5, 6, 7}, 1}, TextWindow{{8, 9}, 1}));
  // A last token alone has nothing before it.
  EXPECT_THAT(cut_text(counting(5), {}, 4, 4), ElementsAre(TextWindow{{0, 1, 2, 3}, 1}));
  EXPECT_THAT(cut_text(counting(4), 99, 4, 0), ElementsAre(TextWindow{{99, 0, 1, 2}, 1}, TextWindow{{99, 3}, 1}));
  EXPECT_TRUE(cut_text({}, {}, 4, 0).empty());
  EXPECT_TRUE(cut_text(counting(1), {}, 4, 0).empty());
}

TEST(CutText, OverlappingWindowsScoreWhatNoneBeforeDid) {
  EXPECT_THAT(cut_text(counting(7), {}, 4, 2),
              ElementsAre(TextWindow{{0, 1, 2, 3}, 1}, TextWindow{{2, 3, 4, 5}, 2}, TextWindow{{4, 5, 6}, 2}));
  EXPECT_THAT(cut_text(counting(5), 99, 4, 2), ElementsAre(TextWindow{{99, 0, 1, 2}, 1}, TextWindow{{99, 2, 3, 4}, 2}));
}

TEST(CutText, EveryTokenIsScoredOnce) {
  for (std::int64_t stride = 1; stride < 6; ++stride) {
    for (std::int64_t length = 2; length < 25; ++length) {
      Ids scored;
      for (auto const& window : cut_text(counting(length), {}, 6, stride)) {
        EXPECT_LE(window.ids.size(), 6u);
        scored.insert(scored.end(), window.ids.begin() + static_cast<std::ptrdiff_t>(window.scored), window.ids.end());
      }
      auto expected = counting(length);
      expected.erase(expected.begin());
      EXPECT_EQ(scored, expected) << stride << " " << length;
    }
  }
}

TEST(CutText, WindowsThatCannotBe) {
  EXPECT_THROW(cut_text(counting(5), {}, 1, 0), UserError);
  EXPECT_THROW(cut_text(counting(5), {}, 4, 5), UserError);
  EXPECT_THROW(cut_text(counting(5), {}, 4, -1), UserError);
  EXPECT_THROW(cut_text(counting(5), 99, 4, 4), UserError);
}

TEST(CutText, PiecesHoldWholeWindows) {
  auto const windows = cut_text(counting(20'000), {}, 1000, 500);
  std::vector<TextWindow> joined;
  for (auto const& piece : in_pieces(windows)) {
    EXPECT_TRUE(piece.size() == 8 || joined.size() + piece.size() == windows.size());  // 8000 tokens; another window is too much
    joined.insert(joined.end(), piece.begin(), piece.end());
  }
  EXPECT_EQ(joined, windows);
  EXPECT_EQ(in_pieces(cut_text(counting(30'000), {}, 10'000, 0)).size(), 3U);
  EXPECT_TRUE(in_pieces({}).empty());
}

TEST(TextScore, OfAModelThatKnowsNothingIsTheVocabulary) {
  auto checkpoint = tiny_gpt2();
  checkpoint.tensors["transformer.wte.weight"].zero_();
  auto const windows = cut_text(random_ids(100, 3), {}, 20, 10);
  auto const score = score_text(*checkpoint.load(), windows);
  EXPECT_EQ(score.tokens, 99);
  EXPECT_NEAR(std::exp(score.nll / 99), tiny_vocabulary, 1e-3);
}

TEST(TextScore, IsTheSumOverTheScoredTokens) {
  for (auto const& checkpoint : {tiny_gpt2(), tiny_llama()}) {
    auto const model = checkpoint.load();
    // More windows than run at once.
    auto const windows = cut_text(random_ids(2400, 4), 7, 60, 50);
    double expected = 0;
    std::int64_t tokens = 0;
    for (auto const& window : windows) {
      auto const rows = pack_rows({window.ids}, model->device());
      Pass const pass(*model, rows.layout);
      auto const residual = pass.run(0, static_cast<int>(model->config().layers) - 1, pass.embed(rows.ids));
      auto const likely = at::log_softmax(model->logits(model->final_norm(residual)).to(at::kDouble), -1);
      for (auto i = window.scored; i < window.ids.size(); ++i, ++tokens)
        expected -= likely[static_cast<std::int64_t>(i) - 1][window.ids[i]].item<double>();
    }
    auto const score = score_text(*model, windows);
    EXPECT_EQ(score.tokens, 2400);
    EXPECT_EQ(tokens, 2400);
    EXPECT_NEAR(score.nll, expected, 1e-5 * expected);
  }
}

TEST(TextScore, OfATextThatIsHalfwayThroughTheModel) {
  for (auto const& checkpoint : {tiny_gpt2(), tiny_llama()}) {
    auto const model = checkpoint.load();
    auto const windows = cut_text(random_ids(2400, 4), 7, 60, 50);
    auto const expected = score_text(*model, windows);
    for (int layer = 0; layer < static_cast<int>(model->config().layers); ++layer) {
      HalfwayText const text(*model, layer, windows);
      EXPECT_NEAR(text.score({}).nll, expected.nll, 1e-6 * expected.nll) << layer;
      auto const weight = model->projection(layer).weight;
      auto const left = random_tensor({1, weight.size(0)}, 7, 0.5), right = random_tensor({1, weight.size(1)}, 8, 0.5);
      auto const mask = random_tensor({weight.size(0), weight.size(1)}, 9, 1).gt(0).to(at::kFloat);
      auto const edited = model->with_projections({{layer, (weight + at::matmul(left.t(), right)) * mask}});
      auto const score = text.score({left.unsqueeze(0), right.unsqueeze(0), {}, mask});
      EXPECT_NEAR(score.nll, score_text(*edited, windows).nll, 1e-5 * score.nll) << layer;
      EXPECT_NE(score.nll, expected.nll);
      EXPECT_EQ(score.tokens, 2400);
    }
  }
}

TEST(TextScore, BytesAndBack) {
  auto const bytes = to_bytes(TextScore{1.0 / 3, 12});
  auto const score = text_score_from_bytes(bytes, "object x");
  EXPECT_EQ(score.nll, 1.0 / 3);
  EXPECT_EQ(score.tokens, 12);
  for (auto const& tensors : {std::map<std::string, at::Tensor>{{"nll", at::zeros({1}, at::kDouble)}},
                              {{"nll", at::zeros({2}, at::kDouble)}, {"tokens", at::zeros({1}, at::kLong)}},
                              {{"nll", at::zeros({1}, at::kFloat)}, {"tokens", at::zeros({1}, at::kLong)}}}) {
    EXPECT_THROW(text_score_from_bytes(write_safetensors(tensors, {}), "object x"), UserError);
  }
  EXPECT_THROW(text_score_from_bytes(bytes.substr(0, 20), "object x"), UserError);
}

}  // namespace
}  // namespace onemask::test
