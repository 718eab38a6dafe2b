#pragma once

#include "mpi_backend.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <mpi.h>

namespace onemask {

/// Sums through MPI. Each tensor travels in buckets that start in `add`, so the sums run beside the work that makes the next
/// tensor. CUDA tensors go through host memory.
class MpiReducer : public GradientReducer {
 public:
  /// Sums over `ranks`, which nothing else communicates by.
  MpiReducer(std::shared_ptr<MpiBackend const> ranks, c10::Device device) : ranks_(std::move(ranks)), device_(device) {}
  ~MpiReducer() override;

  void add(at::Tensor const& values) override;
  void finalize() override;
  std::string transport() const override { return "MPI"; }

 private:
  struct Sum {
    at::Tensor target, host;  ///< the same tensor on the CPU
  };

  std::shared_ptr<MpiBackend const> ranks_;
  c10::Device device_;
  std::vector<Sum> sums_;
  std::vector<MPI_Request> requests_;
};

}  // namespace onemask
