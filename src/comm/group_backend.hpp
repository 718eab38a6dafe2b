#pragma once

#include "backend.hpp"

#include <functional>
#include <string>
#include <vector>

#include <mpi.h>

namespace onemask {

/// Some ranks of a larger group, by messages between single ranks alone: its members need nobody else to come together, and the
/// loss of one leaves nothing behind that others wait for. Small things go through the first member.
class GroupBackend : public Communicator::Backend {
 public:
  GroupBackend(Communicator whole, std::vector<int> ranks, int number, std::function<void()> meanwhile);

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

  /// values[i] becomes the sum over all members, in place, for `count` numbers that `owner` keeps alive: every member adds up a
  /// share and passes it round.
  void sum(std::int64_t* values, std::int64_t count, std::shared_ptr<void const> const& owner) const;

 private:
  void send(int member, std::string const& bytes) const;
  std::string receive(int member) const;
  template <class Combine>
  std::int64_t all_reduce(std::int64_t value, Combine const& combine) const;

  Communicator whole_;
  std::vector<int> ranks_;  ///< of the members in `whole`
  int rank_ = 0, tag_;
  std::function<void()> meanwhile_;
};

}  // namespace onemask
