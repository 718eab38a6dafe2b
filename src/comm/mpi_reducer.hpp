#pragma once

#include <onemask/comm/reducer.hpp>

#include <vector>

#include <ATen/core/Tensor.h>
#include <mpi.h>

namespace onemask {

/// Sums through MPI. Each tensor travels in buckets that start in `add`, so the sums run beside the work that makes the next
/// tensor. CUDA tensors go through host memory.
class MpiReducer : public GradientReducer {
 public:
  MpiReducer(Communicator const& comm, c10::Device device);
  ~MpiReducer() override;

  void add(at::Tensor const& values) override;
  void finalize() override;
  std::string transport() const override { return "MPI"; }

 private:
  struct Sum {
    at::Tensor target, host;  ///< the same tensor on the CPU
  };

  Communicator comm_;
  c10::Device device_;
  std::vector<Sum> sums_;
  std::vector<MPI_Request> requests_;
};

/// Throws std::invalid_argument unless a reducer on `device` can add up `values`.
void expect_summable(at::Tensor const& values, c10::Device device);

}  // namespace onemask
