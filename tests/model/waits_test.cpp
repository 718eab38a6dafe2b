#include "support/pretend_fixture.hpp"
#include "support/tiny_model.hpp"
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
  TwoWayBatch const batch(*model_, 1, {{random_ids(5, 1), {65}, {66}}, {random_ids(3, 4), {70, 71, 72}, {70, 71}}}, {0, 0});
  auto const counts = counts_of([&] { batch.score({}); });
  EXPECT_GT(counts.operators, 50);
  EXPECT_EQ(counts.copies_to_host, 1);
  EXPECT_EQ(counts.synchronisations(), 1);
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
  EXPECT_EQ(one.copies_to_host, 1);
  EXPECT_EQ(one.copies_to_device, 13);
  EXPECT_EQ(one.waits + one.sizes, 0);
}

}  // namespace
}  // namespace onemask::test
