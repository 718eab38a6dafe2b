#include <onemask/core/error.hpp>
#include <onemask/gpu/gpus.hpp>
#include <onemask/model/device.hpp>

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

TEST(Device, ParsesTheCpu) {
  auto const placement = parse_placement("cpu", "bfloat16", 3);
  EXPECT_EQ(placement.device, at::Device(at::kCPU));
  EXPECT_EQ(placement.dtype, at::kBFloat16);
  EXPECT_EQ(parse_placement("cpu", "float32", 0).dtype, at::kFloat);
}

TEST(Device, RefusesUnknownNamesAndHalfPrecisionOnCpus) {
  for (auto const* device : {"", "gpu", "CPU", "cpu:0", "cudaX", "cuda:", "cuda:-1", "cuda:1x", "cuda:99999999999", "cuda:1000"})
    EXPECT_THROW(parse_placement(device, "float32", 0), UserError) << device;
  for (auto const* dtype : {"", "float64", "fp32", "float16"}) EXPECT_THROW(parse_placement("cpu", dtype, 0), UserError) << dtype;
}

TEST(Device, WithoutAGpuAutoIsTheCpuAndCudaIsRefused) {
  if (visible_gpus() > 0) GTEST_SKIP() << "this machine has a GPU";
  EXPECT_TRUE(parse_placement("auto", "float32", 0).device.is_cpu());
  EXPECT_THROW(parse_placement("auto", "float16", 0), UserError);
  EXPECT_THROW(parse_placement("cuda", "float32", 0), UserError);
  EXPECT_THROW(parse_placement("cuda:0", "float32", 0), UserError);
}

TEST(Device, RanksTakeGpusInTurn) {
  int const gpus = visible_gpus();
  if (gpus == 0) GTEST_SKIP() << "this machine has no GPU";
  for (int rank = 0; rank < 2 * gpus; ++rank) {
    EXPECT_EQ(parse_placement("cuda", "float16", rank).device.index(), rank % gpus);
    EXPECT_EQ(parse_placement("auto", "float16", rank).device.index(), rank % gpus);
    EXPECT_EQ(parse_placement("cuda:0", "float16", rank).device.index(), 0);
  }
}

TEST(Device, SetsThreads) {
  set_threads(2);
  EXPECT_EQ(at::get_num_threads(), 2);
  set_threads(1);
  EXPECT_EQ(at::get_num_threads(), 1);
  EXPECT_THROW(set_threads(0), UserError);
}

TEST(Device, SetsThePrecisionOfProducts) {
  EXPECT_THROW(set_product_precision("tf32"), UserError);
  auto const a = at::arange(256 * 64, at::kFloat).view({256, 64}).remainder(7.3),
             b = at::arange(64 * 256, at::kFloat).view({64, 256}).remainder(5.1);
  auto const exact = at::matmul(a.to(at::kDouble), b.to(at::kDouble));
  auto const error = [&] { return ((at::matmul(a, b).to(at::kDouble) - exact).norm() / exact.norm()).item<double>(); };
  set_product_precision("bfloat16");
  EXPECT_EQ(at::globalContext().float32MatmulPrecision(), at::Float32MatmulPrecision::MEDIUM);
  EXPECT_LT(error(), 1e-2);  // 2^-8 per input where the units exist
  set_product_precision("float32");
  EXPECT_EQ(at::globalContext().float32MatmulPrecision(), at::Float32MatmulPrecision::HIGHEST);
  EXPECT_LT(error(), 1e-6);
}

}  // namespace
}  // namespace onemask
