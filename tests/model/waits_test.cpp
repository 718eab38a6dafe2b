#include "support/pretend_fixture.hpp"
#include "support/tiny_model.hpp"
#include <onemask/core/invariant.hpp>
#include <onemask/model/perplexity.hpp>
#include <onemask/model/two_way.hpp>

namespace onemask::test {
namespace {

/// How often the scores of prompts and texts wait for their device.
class ModelWaits : public PretendDeviceTest {
 protected:
  std::unique_ptr<CausalLM> const model_ = tiny_gpt2().load(at::kFloat, first);
};

TEST_F(ModelWaits, OnceAScore) {
  std::vector<TwoWayPrompt> const prompts{{random_ids(5, 1), {65}, {66}}, {random_ids(3, 4), {70, 71, 72}, {70, 71}}};
  TwoWayBatch const batch(*model_, 1, prompts, {0, 0});
  TwoWayBatch::Scores scores;
  auto const counts = counts_of([&] { scores = batch.score({}); });
  EXPECT_GT(counts.operators, 50);
  EXPECT_EQ(counts.copies_to_host, 1);
  EXPECT_EQ(counts.synchronisations(), 1);
  auto const here = tiny_gpt2().load();
  auto const expected = TwoWayBatch(*here, 1, prompts, {0, 0}).score({});
  expect_same_bits(scores.lp_true, expected.lp_true);
  expect_same_bits(scores.lp_new, expected.lp_new);
  expect_same_bits(scores.log_probabilities, expected.log_probabilities);
}

TEST_F(ModelWaits, TwiceToPrepareABatch) {
  std::vector<TwoWayPrompt> const prompts{{random_ids(5, 1), {65}, {66}}, {random_ids(3, 4), {70, 71, 72}, {70, 71}}};
  auto const counts = counts_of([&] { TwoWayBatch(*model_, 1, prompts, {0, 0}); });
  EXPECT_EQ(counts.copies_to_device, 2) << "indices of the rows as they are cached, and of what is read of them";
  EXPECT_EQ(counts.synchronisations(), 2);
}

TEST_F(ModelWaits, IndicesGoInOneCopy) {
  auto rows = pack_rows({{3, 1}, {4, 1, 5}}, at::kCPU), expected = pack_rows({{3, 1}, {4, 1, 5}}, at::kCPU);
  auto none = index_tensor({}, at::kCPU), table = index_tensor({9, 8, 7, 6}, at::kCPU).view({2, 2}).t();
  auto const counts = counts_of([&] { IndexMove().add(rows).add(none).add(table).to(first); });
  EXPECT_EQ(counts.copies_to_device, 1);
  EXPECT_EQ(counts.synchronisations(), 1);
  expect_same_bits(rows.ids, expected.ids);
  expect_same_bits(rows.layout.padded_positions, expected.layout.padded_positions);
  expect_same_bits(rows.layout.unpad, expected.layout.unpad);
  expect_same_bits(table, index_tensor({9, 7, 8, 6}, at::kCPU).view({2, 2}));
  EXPECT_EQ(none.device(), first);
  EXPECT_EQ(none.numel(), 0);
  EXPECT_THROW(IndexMove().add(rows), BrokenInvariant) << "they are there already";
}

TEST_F(ModelWaits, OnceASliceOfAText) {
  auto const ids = random_ids(2049, 3);
  auto const windows = cut_text(ids, {}, 64, 0);
  auto const counts_of_first = [&](std::size_t count) {
    return counts_of([&] { score_text(*model_, std::span(windows).first(count)); });
  };
  // A pack of 2048 tokens is scored in slices of 256: the last of its windows begins another one.
  auto const one = counts_of_first(1), two = counts_of_first(2), pack = counts_of_first(32);
  EXPECT_EQ(two.synchronisations(), one.synchronisations());
  EXPECT_EQ(pack.synchronisations() - one.synchronisations(), 7);
  EXPECT_EQ(one.scalars, 1);
  EXPECT_EQ(one.copies_to_host, 0);
  EXPECT_EQ(one.copies_to_device, 1);
  EXPECT_EQ(one.waits + one.sizes, 0);
}

}  // namespace
}  // namespace onemask::test
