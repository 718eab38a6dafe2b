#pragma once

#include <onemask/comm/communicator.hpp>
#include <onemask/comm/integer_sums.hpp>
#include <onemask/comm/mailbox.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace onemask {

/// What a communicator does, for one kind of group. The meaning of each function is that of Communicator's.
class Communicator::Backend {
 public:
  virtual ~Backend() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual void barrier() const = 0;
  virtual std::string broadcast(std::string bytes, int root) const = 0;
  virtual std::vector<std::string> gather(std::string const& bytes, int root) const = 0;
  virtual std::vector<std::string> all_gather(std::string const& bytes) const = 0;
  virtual std::int64_t all_reduce_sum(std::int64_t value) const = 0;
  virtual std::int64_t all_reduce_max(std::int64_t value) const = 0;
  virtual Communicator split(int color, int key) const = 0;
  virtual Communicator duplicate() const = 0;
  virtual void poll() const {}

  /// What Mailbox and make_reducer make of the group; collective.
  virtual std::unique_ptr<Mailbox::Backend> mailbox() const = 0;
  virtual std::unique_ptr<IntegerSums> sums() const = 0;
};

}  // namespace onemask
