#pragma once

#include "group_backend.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace onemask {

/// Sums over a group of a mailbox, through host memory.
class GroupReducer : public GradientReducer {
 public:
  GroupReducer(std::shared_ptr<GroupBackend const> group, c10::Device device) : group_(std::move(group)), device_(device) {}

  void add(at::Tensor const& values) override;
  void finalize() override;
  std::string transport() const override { return "messages"; }

 private:
  std::shared_ptr<GroupBackend const> group_;
  c10::Device device_;
  std::vector<at::Tensor> sums_;
};

}  // namespace onemask
