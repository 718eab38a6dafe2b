#pragma once

#include "backend.hpp"
#include "transfers.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace onemask {

/// Some ranks of a larger group, by messages between single ranks alone: its members need nobody else to come together, and the
/// loss of one leaves nothing behind that others wait for. Small things go through the first member.
class GroupBackend : public Communicator::Backend, public std::enable_shared_from_this<GroupBackend> {
 public:
  /// `ranks` of the larger group, `own` among them; `start` begins transfers between them that nobody else hears of. Every wait
  /// calls `meanwhile` now and then; what that throws ends the wait.
  GroupBackend(std::vector<int> ranks, int own, std::function<std::unique_ptr<Transfers>()> start,
               std::function<void()> meanwhile);

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(ranks_.size()); }
  void barrier() const override;
  std::string broadcast(std::string bytes, int root) const override;
  std::vector<std::string> gather(std::string const& bytes, int root) const override;
  std::vector<std::string> all_gather(std::string const& bytes) const override;
  std::int64_t all_reduce_sum(std::int64_t value) const override;
  std::int64_t all_reduce_max(std::int64_t value) const override;
  Communicator split(int color, int key) const override;
  Communicator duplicate() const override;
  void poll() const override { meanwhile_(); }
  std::unique_ptr<Mailbox::Backend> mailbox() const override;
  std::unique_ptr<IntegerSums> sums() const override;

  /// values[i] becomes the sum over all members, in place, for `count` numbers that `owner` keeps alive: every member adds up a
  /// share and passes it round.
  void sum(std::int64_t* values, std::int64_t count, std::shared_ptr<void const> const& owner) const;

 private:
  void send(int member, std::string const& bytes) const;
  std::string receive(int member) const;
  template <class Combine>
  std::int64_t all_reduce(std::int64_t value, Combine const& combine) const;

  std::vector<int> ranks_;  ///< of the members in the larger group
  int rank_ = 0;
  std::function<std::unique_ptr<Transfers>()> start_;
  std::function<void()> meanwhile_;
};

}  // namespace onemask
