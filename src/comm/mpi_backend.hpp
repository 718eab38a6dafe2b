#pragma once

#include "backend.hpp"

#include <mpi.h>

namespace onemask {

/// A group of MPI processes. Every wait polls a nonblocking operation; long byte strings travel in pieces, since MPI counts in
/// int.
class MpiBackend : public Communicator::Backend {
 public:
  /// Takes the handle over and frees it.
  explicit MpiBackend(MPI_Comm handle);
  ~MpiBackend() override;
  MpiBackend(MpiBackend const&) = delete;
  MpiBackend& operator=(MpiBackend const&) = delete;

  MPI_Comm handle() const { return handle_; }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void barrier() const override;
  std::string broadcast(std::string bytes, int root) const override;
  std::vector<std::string> gather(std::string const& bytes, int root) const override;
  std::vector<std::string> all_gather(std::string const& bytes) const override;
  std::int64_t all_reduce_sum(std::int64_t value) const override;
  std::int64_t all_reduce_max(std::int64_t value) const override;
  Communicator split(int color, int key) const override;
  Communicator duplicate() const override;
  std::unique_ptr<Mailbox::Backend> mailbox() const override;
  std::unique_ptr<IntegerSums> sums() const override;

  /// As `duplicate`.
  std::shared_ptr<MpiBackend const> copy() const;

 private:
  MPI_Comm handle_;
  int rank_ = 0, size_ = 0;
};

}  // namespace onemask
