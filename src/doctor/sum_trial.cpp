#include "doctor/sum_trial.hpp"

#include <onemask/compute/reducer.hpp>
#include <onemask/core/error.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace onemask {

namespace {

constexpr int kRounds = 4;  // the first warms up

template <class Work>
double seconds_of(Work const& work) {
  auto const start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Numbers from -9 to 9: sums of a few thousand of their products are exact in float32, and they are exact in its shorter kin.
at::Tensor small_numbers(at::IntArrayRef shape, std::int64_t factor) {
  auto const count = c10::multiply_integers(shape);
  return ((at::arange(count, at::kLong) * factor).remainder(1009).remainder(19) - 9).view(shape);
}

}  // namespace

double product_rate(c10::Device device) {
  c10::NoGradGuard const no_grad;
  std::int64_t const n = device.is_cuda() ? 4096 : 1024;
  auto const a = small_numbers({n, n}, 7), b = small_numbers({n, n}, 11), x = small_numbers({n, 1}, 13);
  auto const left = a.to(device, at::kFloat), right = b.to(device, at::kFloat);
  auto const expected = a.matmul(b.matmul(x));
  auto best = std::numeric_limits<double>::infinity();
  for (int round = 0; round < kRounds; ++round) {
    at::Tensor product;
    auto const seconds = seconds_of([&] {
      product = at::mm(left, right);
      product.view(-1)[0].item();  // a GPU is done only when something is read
    });
    if (round > 0) best = std::min(best, seconds);
    if (!product.to(at::kCPU).to(at::kLong).matmul(x).equal(expected)) {
      throw RunError("The device " + device.str() +
                     " multiplies matrices incorrectly. Do not use it. Check its memory for errors (nvidia-smi -q -d ECC on a "
                     "GPU) and tell the administrators of the machine.");
    }
  }
  auto const size = static_cast<double>(n);
  return 2 * size * size * size / best;
}

SumTrial try_sums(Communicator const& comm, c10::Device device) {
  std::int64_t const numbers = std::int64_t{1} << (device.is_cpu() ? 20 : 23);
  auto const reducer = make_reducer(comm, device);
  auto const pattern = at::arange(numbers, at::kLong).remainder(1001).to(device);
  std::int64_t const ranks = comm.size();
  auto const expected = pattern * (ranks * (ranks + 1) / 2);
  SumTrial trial{reducer->transport(), reducer->reason(), 8.0 * static_cast<double>(numbers),
                 std::numeric_limits<double>::infinity(), 0};
  bool right = true;
  for (int round = 0; round < kRounds; ++round) {
    auto const values = pattern * (comm.rank() + 1);
    comm.barrier();
    auto const seconds = seconds_of([&] {
      reducer->add(values);
      reducer->finalize();
    });
    if (round > 0) trial.seconds = std::min(trial.seconds, seconds);
    right = right && values.equal(expected);
  }
  std::array<double, 21> latencies{};
  for (auto& latency : latencies) {
    std::int64_t sum = 0;
    latency = seconds_of([&] { sum = comm.all_reduce_sum(comm.rank() + 1); });
    right = right && sum == ranks * (ranks + 1) / 2;
  }
  std::nth_element(latencies.begin(), latencies.begin() + latencies.size() / 2, latencies.end());
  trial.latency = latencies[latencies.size() / 2];
  if (!right) {
    throw RunError("A sum over all ranks through " + trial.transport +
                   " is wrong. Do not use these machines together until the cause is found; NCCL_P2P_DISABLE=1 and other "
                   "transports of MPI help to find it.");
  }
  return trial;
}

}  // namespace onemask
