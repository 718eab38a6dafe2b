#include "support/accelerator_test.hpp"
#include "support/tiny_model.hpp"
#include <onemask/mask/trainer.hpp>

namespace onemask::test {
namespace {

class MaskOnGpu : public AcceleratorTest {
 protected:
  static MaskOptions few_epochs() {
    MaskOptions options;
    options.epochs = 3;
    options.batch = 4;
    options.micro_batch = 2;
    return options;
  }

  /// theta after training, on the CPU.
  static at::Tensor trained(CausalLM const& model) {
    auto const facts = [](std::uint64_t begin, std::uint64_t end) {
      std::vector<MaskFact> facts;
      for (auto seed = begin; seed < end; ++seed) {
        facts.push_back({{random_ids(5, seed), random_ids(9, seed + 50)},
                         {65},
                         {66},
                         random_tensor({1, 16}, 100 + seed),
                         random_tensor({1, 64}, 200 + seed)});
      }
      return facts;
    };
    TrainingSet const set(model, 1, facts(0, 7), facts(7, 9));
    auto const options = few_epochs();
    auto const reducer = make_reducer(Communicator(), model.device());
    MaskTrainer trainer(set, options, initial_theta(options, {16, 64}, 9), shuffled(4, set.size()), {}, *reducer);
    while (!trainer.done()) trainer.run_epoch();
    return trainer.theta().cpu();
  }
};

// The CPU is the oracle for the GPU.
TEST_F(MaskOnGpu, TrainsTheMaskOfTheCpuAndTheSameBitsAgain) {
  auto const options = few_epochs();
  auto const expected = trained(*tiny_gpt2().load()), start = initial_theta(options, {16, 64}, 9);
  auto const model = tiny_gpt2().load(at::kFloat, device());
  auto const got = trained(*model);
  EXPECT_GT(largest_difference(got, start), 1e-3) << "nothing was trained";
  EXPECT_LT((got - expected).norm().item<double>(), 0.01 * (expected - start).norm().item<double>());
  EXPECT_TRUE(trained(*model).equal(got));
}

}  // namespace
}  // namespace onemask::test
