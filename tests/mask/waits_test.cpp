#include "support/pretend_fixture.hpp"
#include "support/tiny_model.hpp"
#include <onemask/mask/trainer.hpp>

#include <numeric>

namespace onemask::test {
namespace {

/// How often the training of a mask waits for its device: facts of one prompt, whose objects have one token.
class MaskWaits : public PretendDeviceTest {
 protected:
  MaskWaits() {
    options_.epochs = 2;
    options_.batch = 4;
    options_.micro_batch = 2;
    std::iota(order_.begin(), order_.end(), std::size_t{0});
  }

  static std::vector<MaskFact> facts(std::uint64_t begin, std::uint64_t end) {
    std::vector<MaskFact> facts;
    for (auto seed = begin; seed < end; ++seed) {
      facts.push_back(
          {{random_ids(5, seed)}, {65}, {66}, random_tensor({1, 16}, 100 + seed), random_tensor({1, 64}, 200 + seed)});
    }
    return facts;
  }

  MaskTrainer trainer(TrainingSet const& set) const {
    return {set, options_, initial_theta(options_, {16, 64}, 9), shuffled(4, set.size()), {}, *reducer_};
  }

  PretendCounts counts_of_batch(MaskTrainer& trainer, std::size_t count) const {
    MaskEpoch means;
    return counts_of([&] { trainer.gradient(std::span(order_).first(count), 0, means); });
  }

  std::unique_ptr<CausalLM> const model_ = tiny_gpt2().load(at::kFloat, first);
  std::unique_ptr<GradientReducer> const reducer_ = make_reducer(Communicator(), first);
  MaskOptions options_;
  std::vector<std::size_t> order_ = std::vector<std::size_t>(8);
};

TEST_F(MaskWaits, MicroBatchesStepsAndEpochs) {
  TrainingSet const set(*model_, 1, facts(0, 8), {}), validated(*model_, 1, facts(0, 8), facts(8, 10));
  auto alone = trainer(set), with_validation = trainer(validated);
  auto const one = counts_of_batch(alone, 2), two = counts_of_batch(alone, 4);
  auto const micro_batch = two.synchronisations() - one.synchronisations();
  auto const gradient = one.synchronisations() - micro_batch;
  EXPECT_EQ(two.scalars - one.scalars, 2) << "whether the gradient and the losses fit into fixed point";
  EXPECT_EQ(micro_batch, 3);
  EXPECT_EQ(gradient, 2);
  auto const epoch = counts_of([&] { alone.run_epoch(); }).synchronisations();
  EXPECT_EQ(epoch, 2 * (2 * micro_batch + gradient + 1) + 1) << "two steps with the norm of their gradient; the shares of zeros";
  EXPECT_EQ(counts_of([&] { with_validation.run_epoch(); }).synchronisations() - epoch, 2);
}

}  // namespace
}  // namespace onemask::test
