#include "edit/tiny_request.hpp"
#include "support/pretend_fixture.hpp"
#include <onemask/edit/fine_tune.hpp>
#include <onemask/edit/fit_memory.hpp>
#include <onemask/edit/rome.hpp>

#include <algorithm>

namespace onemask::test {
namespace {

/// How often a search for values waits for its device, and what it does without memory.
class RomeWaits : public PretendDeviceTest {
 protected:
  RomeWaits() {
    hparams_.layers = {1};
    hparams_.v_loss_layer = 2;
    hparams_.v_lr = 0.3;
    for (std::uint64_t seed = 1; seed <= 8; ++seed) requests_.push_back(make_request(seed, {0, 3}, 2, 1 + seed % 2));
  }

  std::vector<RomeResult> run(CausalLM const& model, int steps) {
    hparams_.v_num_grad_steps = steps;
    return rome(model, requests_, hparams_);
  }

  EditHparams hparams_;
  std::vector<EditRequest> requests_;
};

TEST_F(RomeWaits, OnceAStep) {
  auto const model = tiny_gpt2().load(at::kFloat, first);
  auto const five = counts_of([&] { run(*model, 5); }), six = counts_of([&] { run(*model, 6); });
  EXPECT_GT(six.operators, five.operators + 100);
  EXPECT_EQ(six.copies_to_host - five.copies_to_host, 1);
  EXPECT_EQ(six.synchronisations() - five.synchronisations(), 1);
}

TEST_F(RomeWaits, FineTuningTwiceAStep) {
  auto const model = tiny_gpt2().load(at::kFloat, first);
  hparams_.method = EditMethod::ft_l;
  hparams_.lr = 0.01;
  hparams_.norm_constraint = 0.025;
  auto const counts_of_steps = [&](int steps) {
    hparams_.num_steps = steps;
    return counts_of([&] { fine_tune(*model, requests_, hparams_); }).synchronisations();
  };
  EXPECT_EQ(counts_of_steps(4) - counts_of_steps(3), 2);
}

TEST_F(RomeWaits, GivesTheBitsOfTheCpu) {
  auto const there = run(*tiny_gpt2().load(at::kFloat, second), 8), here = run(*tiny_gpt2().load(), 8);
  for (std::size_t i = 0; i < here.size(); ++i) {
    expect_same_bits(there[i].edit.left, here[i].edit.left);
    expect_same_bits(there[i].edit.right, here[i].edit.right);
    ASSERT_EQ(there[i].trace.steps.size(), here[i].trace.steps.size());
    EXPECT_EQ(there[i].trace.steps.back().loss, here[i].trace.steps.back().loss);
  }
}

TEST_F(RomeWaits, HalvesWhatDoesNotFit) {
  auto const model = tiny_gpt2().load(at::kFloat, first);
  auto const before = pretend_memory_in_use(first);
  reset_pretend_counts();
  auto const whole = run(*model, 8);
  auto const needed = pretend_memory_peak(first) - before;
  limit_pretend_memory(first, before + needed * 7 / 10);
  std::vector<std::size_t> tried;
  auto const parts = in_parts_that_fit<RomeResult>(requests_, [&](auto const& some) {
    tried.push_back(some.size());
    return rome(*model, some, hparams_);
  });
  EXPECT_EQ(tried, (std::vector<std::size_t>{8, 4, 4}));
  ASSERT_EQ(parts.size(), whole.size());
  for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_LT(largest_difference(parts[i].edit.left, whole[i].edit.left), 1e-3);
  limit_pretend_memory(first, before + needed / 20);
  auto const one = [&] {
    in_parts_that_fit<RomeResult>(requests_, [&](auto const& some) { return rome(*model, some, hparams_); });
  };
  EXPECT_THROW(one(), c10::OutOfMemoryError);
}

}  // namespace
}  // namespace onemask::test
