#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace onemask {

class IntegerSums;

/// A group of processes ("ranks") that work together; copies name the same group. The default is one rank, without MPI, so that
/// every part of the program also runs alone; Environment::world gives the ranks that a launcher started.
///
/// All functions but `rank` and `size` are collective: every rank of the group calls them, in the same order, from one thread at
/// a time. Waiting ranks sleep in short naps and leave their cores to the busy ones. Throws RunError with MPI's own words when
/// the communication fails; the world is then of no more use and must be aborted.
class Communicator {
 public:
  class Backend;

  Communicator();
  explicit Communicator(std::shared_ptr<Backend const> backend);

  int rank() const;
  int size() const;

  void barrier() const;
  /// The bytes that `root` gave, on every rank. Any length.
  std::string broadcast(std::string bytes, int root) const;
  /// On `root` the bytes of every rank, in the order of ranks; an empty vector on the others. Any lengths.
  std::vector<std::string> gather(std::string const& bytes, int root) const;
  /// The bytes of every rank, in the order of ranks, on every rank. Any lengths.
  std::vector<std::string> all_gather(std::string const& bytes) const;
  std::int64_t all_reduce_sum(std::int64_t value) const;
  std::int64_t all_reduce_max(std::int64_t value) const;

  /// The ranks that gave the same `color`, ordered by `key`, then by their rank here. color >= 0.
  Communicator split(int color, int key) const;
  /// The same ranks, with messages of their own.
  Communicator duplicate() const;

  /// Sums of integers over the group. Collective.
  std::unique_ptr<IntegerSums> sums() const;

  /// For long waits that are not for a function above: throws when this group is to end (see Mailbox::group). Not collective.
  void poll() const;

  Backend const& backend() const { return *backend_; }

 private:
  std::shared_ptr<Backend const> backend_;
};

}  // namespace onemask
