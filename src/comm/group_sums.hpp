#pragma once

#include "group_backend.hpp"
#include <onemask/comm/integer_sums.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace onemask {

/// Sums over a group of a mailbox, by messages between its members, in `finish`.
class GroupSums : public IntegerSums {
 public:
  explicit GroupSums(std::shared_ptr<GroupBackend const> group) : group_(std::move(group)) {}

  void start(std::int64_t* values, std::int64_t count, std::shared_ptr<void const> owner) override {
    sums_.push_back({values, count, std::move(owner)});
  }
  void finish() override {
    for (auto const& sum : sums_) group_->sum(sum.values, sum.count, sum.owner);
    sums_.clear();
  }
  std::string transport() const override { return "messages"; }

 private:
  struct Sum {
    std::int64_t* values;
    std::int64_t count;
    std::shared_ptr<void const> owner;
  };

  std::shared_ptr<GroupBackend const> group_;
  std::vector<Sum> sums_;
};

}  // namespace onemask
