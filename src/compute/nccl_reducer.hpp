#pragma once

#include <onemask/compute/reducer.hpp>
#include <onemask/gpu/nccl.hpp>

#include <memory>
#include <string>
#include <vector>

namespace onemask {

/// Sums through NCCL. Every wait asks for errors, and leaves the group on one instead of hanging.
class NcclReducer : public GradientReducer {
 public:
  /// No two ranks have the same GPU, which NCCL refuses. Collective.
  NcclReducer(Communicator const& comm, Nccl const& nccl, c10::Device device);
  ~NcclReducer() override;

  void add(at::Tensor const& values) override;
  void finalize() override;
  std::string transport() const override { return "NCCL"; }

 private:
  void expect_group() const;
  template <class Action>
  void attempt(std::string const& what, Action const& action);

  Communicator comm_;
  c10::Device device_;
  std::vector<at::Tensor> sums_;
  std::unique_ptr<NcclGroup> group_;  ///< ends before the tensors that it may still write to; nullptr after a failure
};

}  // namespace onemask
