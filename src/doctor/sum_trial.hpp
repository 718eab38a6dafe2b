#pragma once

#include <onemask/comm/communicator.hpp>

#include <string>

#include <c10/core/Device.h>

namespace onemask {

/// Multiplies two float32 matrices of small whole numbers on `device` a few times and returns the best rate [operations/s; a
/// multiplication and an addition are two]. Every such product is exact, and is checked by Freivalds' method: (A B) x = A (B x)
/// in whole numbers. Throws RunError when it is wrong, or when the device fails.
double product_rate(c10::Device device);

/// How fast sums over all ranks are.
struct SumTrial {
  std::string transport;  ///< "NCCL", "MPI" or "one rank"
  std::string reason;     ///< for this transport, the end of a sentence
  double bytes = 0;       ///< size of a gradient
  double seconds = 0;     ///< to sum it, the best of a few
  double latency = 0;     ///< to sum a single number through MPI, the median [s]
};

/// Sums gradients over all ranks as the training of masks does, and holds them against the sums known beforehand. All devices are
/// of one type. Collective; throws RunError on the ranks that got a wrong sum.
SumTrial try_sums(Communicator const& comm, c10::Device device);

}  // namespace onemask
