#pragma once

#include "backend.hpp"

namespace onemask {

/// One rank that talks to itself.
class LocalBackend : public Communicator::Backend {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void barrier() const override {}
  std::string broadcast(std::string bytes, int) const override { return bytes; }
  std::vector<std::string> gather(std::string const& bytes, int) const override { return {bytes}; }
  std::vector<std::string> all_gather(std::string const& bytes) const override { return {bytes}; }
  std::int64_t all_reduce_sum(std::int64_t value) const override { return value; }
  std::int64_t all_reduce_max(std::int64_t value) const override { return value; }
  Communicator split(int, int) const override { return Communicator(); }
  Communicator duplicate() const override { return Communicator(); }
  std::unique_ptr<Mailbox::Backend> mailbox() const override;
  std::unique_ptr<IntegerSums> sums() const override;
};

}  // namespace onemask
