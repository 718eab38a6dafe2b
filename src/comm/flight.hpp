#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <mpi.h>

namespace onemask {

/// Bytes on their way between single ranks, long ones in pieces, as MPI counts in int. It keeps the memory that they are in for
/// as long as MPI may touch it: for good, when the other rank never answers.
class Flight {
 public:
  Flight(MPI_Comm comm, int tag) : comm_(comm), tag_(tag) {}
  ~Flight();
  Flight(Flight&&) = default;
  Flight(Flight const&) = delete;
  Flight& operator=(Flight const&) = delete;

  /// Both throw RunError, saying that a rank is lost where it is. `owner` keeps `bytes` alive.
  void send(int to, void const* bytes, std::size_t size, std::shared_ptr<void const> owner);
  void receive(int from, void* bytes, std::size_t size, std::shared_ptr<void const> owner);

  /// Whether all has arrived, or failed.
  bool done();
  /// Waits until all has arrived, in naps that call `meanwhile`. Throws RunError when some of it cannot.
  void wait(std::string const& what, std::function<void()> const& meanwhile);

 private:
  MPI_Comm comm_;
  int tag_;
  std::vector<MPI_Request> requests_;
  std::vector<std::shared_ptr<void const>> owners_;
};

}  // namespace onemask
