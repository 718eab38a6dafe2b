#pragma once

#include "group_backend.hpp"
#include <onemask/comm/reducer.hpp>

#include <vector>

namespace onemask {

/// Sums over a group of a mailbox, through host memory.
class GroupReducer : public GradientReducer {
 public:
  /// `group` outlives the reducer.
  GroupReducer(GroupBackend const& group, c10::Device device) : group_(group), device_(device) {}

  void add(at::Tensor const& values) override;
  void finalize() override;
  std::string transport() const override { return "MPI"; }

 private:
  GroupBackend const& group_;
  c10::Device device_;
  std::vector<at::Tensor> sums_;
};

}  // namespace onemask
