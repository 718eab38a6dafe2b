#include "support/accelerator_test.hpp"
#include "support/pretend_device.hpp"
#include "support/tiny_families.hpp"
#include <onemask/model/pass.hpp>

#include <c10/util/Exception.h>

namespace onemask::test {
namespace {

using ModelOnGpu = AcceleratorTest;

// TF32 has 10 bits of mantissa: its error would be 3e-4.
TEST_F(ModelOnGpu, ProductsOfFloat32AreNotRounded) {
  auto const a = random_tensor({300, 400}, 1), b = random_tensor({400, 200}, 2);
  auto const exact = a.to(at::kDouble).mm(b.to(at::kDouble));
  auto const got = a.to(device()).mm(b.to(device())).cpu();
  EXPECT_LT(largest_difference(got, exact) / exact.abs().max().item<double>(), 3e-6);
}

TEST_F(ModelOnGpu, SumsByIndexHaveTheSameBitsEveryTime) {
  auto const values = random_tensor({20'000, 3}, 3).to(device());
  auto const places = (at::arange(20'000, at::kLong) * 7919 % 11).to(device());
  auto const sum = [&] { return at::zeros({11, 3}, values.options()).index_add_(0, places, values).cpu(); };
  auto const first = sum();
  for (int round = 0; round < 5; ++round) EXPECT_TRUE(sum().equal(first));
}

TEST_F(ModelOnGpu, GivesTheNumbersOfTheCpuInEveryType) {
  auto const last_states = [](CausalLM const& model) {
    auto const packed = pack_rows({{3, 4, 5, 6, 7}, {40, 41, 42}}, model.device());
    Pass const pass(model, packed.layout);
    return model.logits(model.final_norm(pass.run(0, 2, pass.embed(packed.ids)))).to(at::kCPU, at::kDouble);
  };
  for (auto const& family : model_families()) {
    SCOPED_TRACE(family);
    auto const tiny = tiny_family(family);
    auto const expected = last_states(*tiny.load());
    auto const error = [&](at::ScalarType dtype) {
      return largest_difference(last_states(*tiny.load(dtype, device())), expected) / expected.abs().max().item<double>();
    };
    EXPECT_LT(error(at::kFloat), 1e-5);
    EXPECT_LT(error(at::kHalf), 1e-2);
    EXPECT_LT(error(at::kBFloat16), 5e-2);
  }
}

// LibTorch's allocator on GPUs has no other way to tell than this exception, by which the program halves its batches.
TEST_F(ModelOnGpu, MemoryThatRunsOutDoesNotEndItsUse) {
  bool const pretended = device().is_privateuseone();
  if (pretended) limit_pretend_memory(device(), 1'000'000);
  auto const options = at::device(device()).dtype(at::kLong);
  EXPECT_THROW(at::zeros({pretended ? 1'000'000 : std::int64_t{1} << 45}, options), c10::OutOfMemoryError);
  EXPECT_EQ(at::arange(1000, options).sum().item<std::int64_t>(), 499500);
  if (pretended) limit_pretend_memory(device(), 0);
}

}  // namespace
}  // namespace onemask::test
