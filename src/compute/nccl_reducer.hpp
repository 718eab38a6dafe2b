#pragma once

#include <onemask/compute/reducer.hpp>
#include <onemask/gpu/nccl.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace onemask {

/// How long a reducer waits for GPUs of which it hears nothing.
struct NcclPatience {
  std::chrono::milliseconds connect = std::chrono::minutes(5);  ///< for all to be connected
  std::chrono::milliseconds rest = std::chrono::seconds(10);    ///< for this rank's to end its work after a failure
};

/// Sums through NCCL. Every wait asks for errors, and leaves the group on one instead of hanging.
class NcclReducer : public GradientReducer {
 public:
  /// No two ranks have the same GPU, which NCCL refuses. Collective: throws NcclError on every rank, the same, where the GPU of
  /// one cannot be connected.
  NcclReducer(Communicator const& comm, Nccl const& nccl, c10::Device device, NcclPatience patience = {});
  /// In peace with the other ranks, unless sums are open or an exception ends this one.
  ~NcclReducer() override;

  void add(at::Tensor const& values) override;
  void finalize() override;
  std::string transport() const override { return "NCCL"; }
  std::string reason() const override { return "every rank has a GPU of its own"; }

 private:
  void connect(Nccl const& nccl, std::string const& name);
  void expect_group() const;
  bool comes_to_rest() const;
  void abandon();
  template <class Action>
  void attempt(std::string const& what, Action const& action);

  Communicator comm_;
  c10::Device device_;
  NcclPatience patience_;
  int exceptions_;  ///< that were under way when this began
  std::vector<at::Tensor> sums_;
  std::unique_ptr<NcclGroup> group_;  ///< ends before the tensors that it may still write to; nullptr after a failure
};

}  // namespace onemask
