#pragma once

#include "transfers.hpp"

#include <vector>

#include <mpi.h>

namespace onemask {

/// Through MPI; long messages in pieces, as MPI counts in int. It keeps memory for good when the other rank never answers.
class MpiTransfers : public Transfers {
 public:
  MpiTransfers(MPI_Comm comm, int tag) : comm_(comm), tag_(tag) {}
  ~MpiTransfers() override;
  MpiTransfers(MpiTransfers const&) = delete;
  MpiTransfers& operator=(MpiTransfers const&) = delete;

  void send(int to, void const* bytes, std::size_t size, std::shared_ptr<void const> owner) override;
  void receive(int from, void* bytes, std::size_t size, std::shared_ptr<void const> owner) override;
  void wait(std::string const& what, std::function<void()> const& meanwhile) override;

  /// Whether all has arrived, or failed.
  bool done();

 private:
  MPI_Comm comm_;
  int tag_;
  std::vector<MPI_Request> requests_;
  std::vector<std::shared_ptr<void const>> owners_;
};

}  // namespace onemask
