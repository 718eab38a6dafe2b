#include "support/tiny_families.hpp"
#include <onemask/model/greedy_batch.hpp>

#include <tuple>

#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using Rows = std::vector<std::vector<std::int64_t>>;

/// Continues prompts with and without the cache of keys and values: a family, the edited layer.
class Greedy : public testing::TestWithParam<std::tuple<char const*, int>> {
 protected:
  int layer() const { return std::get<1>(GetParam()); }

  /// Token by token, each from a pass over the whole text, under a dense matrix in the edited layer's place.
  std::vector<std::int64_t> expected(std::vector<std::int64_t> text, at::Tensor const& weight, std::int64_t count) const {
    auto const edited = model_->with_projections({{layer(), weight}});
    std::vector<std::int64_t> tokens;
    for (std::int64_t k = 0; k < count; ++k) {
      auto const packed = pack_rows({text}, at::kCPU);
      Pass const pass(*edited, packed.layout);
      auto const hidden = edited->final_norm(pass.run(0, 2, pass.embed(packed.ids)));
      tokens.push_back(edited->logits(hidden)[-1].argmax().item<std::int64_t>());
      text.push_back(tokens.back());
    }
    return tokens;
  }

  c10::NoGradGuard const no_gradients_;
  std::unique_ptr<CausalLM> const model_ = [] {
    std::string const family = std::get<0>(GetParam());
    return family == "gpt2" ? tiny_gpt2().load() : family == "llama" ? tiny_llama().load() : tiny_gemma3().load();
  }();
  Projection const projection_ = model_->projection(layer());
  Rows const prompts_{random_ids(5, 1), random_ids(1, 2), random_ids(8, 3), random_ids(5, 4)};
  std::vector<std::int64_t> const edit_of_prompt_{0, 0, 1, 2};
};

INSTANTIATE_TEST_SUITE_P(Families, Greedy,
                         testing::Combine(testing::Values("gpt2", "llama", "gemma3"), testing::Values(0, 1, 2)));

TEST_P(Greedy, ContinuesAsWholePassesWould) {
  auto const out = projection_.weight.size(0), in = projection_.weight.size(1);
  auto const left = random_tensor({3, 1, out}, 10), right = random_tensor({3, 1, in}, 11, 0.5);
  auto const mask = random_tensor({out, in}, 12).gt(-1).to(at::kFloat);
  GreedyBatch const batch(*model_, layer(), prompts_, edit_of_prompt_);
  auto const unedited = batch.continued(
      6, [&](at::Tensor const& key, at::Tensor const&) { return project(projection_, key); }, *model_);
  auto const edited = batch.continued(
      6,
      [&](at::Tensor const& key, at::Tensor const& edit) {
        return project(projection_, key, {left, right, edit, mask});
      },
      *model_);
  bool differ = false;
  for (std::size_t p = 0; p < prompts_.size(); ++p) {
    auto const e = edit_of_prompt_[p];
    EXPECT_EQ(unedited[p], expected(prompts_[p], projection_.weight, 6)) << "prompt " << p;
    EXPECT_EQ(edited[p], expected(prompts_[p], (projection_.weight + at::outer(left[e][0], right[e][0])) * mask, 6))
        << "prompt " << p;
    differ = differ || unedited[p] != edited[p];
  }
  EXPECT_TRUE(differ);
}

TEST_P(Greedy, AnotherModelAboveTheLayer) {
  GreedyBatch const batch(*model_, layer(), prompts_, edit_of_prompt_);
  auto const weight = projection_.weight + random_tensor(projection_.weight.sizes().vec(), 13, 0.5);
  auto const other = model_->with_projections({{layer(), weight}});
  auto const continued = batch.continued(
      4, [&](at::Tensor const& key, at::Tensor const&) { return project(other->projection(layer()), key); }, *other);
  for (std::size_t p = 0; p < prompts_.size(); ++p) EXPECT_EQ(continued[p], expected(prompts_[p], weight, 4)) << "prompt " << p;
}

}  // namespace
}  // namespace onemask::test
