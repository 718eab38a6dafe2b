#include "mpi_backend.hpp"

#include "local_backend.hpp"
#include "mailbox_backend.hpp"
#include "mpi_call.hpp"
#include "mpi_mailbox.hpp"
#include "mpi_sums.hpp"
#include <onemask/core/invariant.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <utility>

namespace onemask {

namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;
constexpr int kBytesTag = 1;

/// Calls `start(first, count)` for every piece of `size` bytes.
template <class Start>
void for_pieces(std::size_t size, Start const& start) {
  for (std::size_t first = 0; first < size; first += kPiece) start(first, static_cast<int>(std::min(kPiece, size - first)));
}

std::int64_t all_reduce(MPI_Comm comm, std::int64_t value, MPI_Op operation) {
  std::int64_t result = 0;
  std::vector<MPI_Request> requests(1);
  check_mpi(MPI_Iallreduce(&value, &result, 1, MPI_INT64_T, operation, comm, requests.data()), "combine a number of every rank");
  wait_all(requests, "combine a number of every rank");
  return result;
}

}  // namespace

MpiBackend::MpiBackend(MPI_Comm handle) : handle_(handle) {
  check_mpi(MPI_Comm_set_errhandler(handle_, MPI_ERRORS_RETURN), "set up a group of ranks");
  check_mpi(MPI_Comm_rank(handle_, &rank_), "read the rank");
  check_mpi(MPI_Comm_size(handle_, &size_), "read the number of ranks");
}

MpiBackend::~MpiBackend() {
  int finalized = 0;
  if (MPI_Finalized(&finalized) == MPI_SUCCESS && finalized == 0) MPI_Comm_free(&handle_);
}

void MpiBackend::barrier() const {
  std::vector<MPI_Request> requests(1);
  check_mpi(MPI_Ibarrier(handle_, requests.data()), "meet at a barrier");
  wait_all(requests, "meet at a barrier");
}

std::string MpiBackend::broadcast(std::string bytes, int root) const {
  char const* const what = "broadcast";
  std::int64_t size = static_cast<std::int64_t>(bytes.size());
  std::vector<MPI_Request> requests(1);
  check_mpi(MPI_Ibcast(&size, 1, MPI_INT64_T, root, handle_, requests.data()), what);
  wait_all(requests, what);

  invariant(size >= 0, "rank ", root, " broadcasts ", size, " bytes");
  bytes.resize(static_cast<std::size_t>(size));
  for_pieces(bytes.size(), [&](std::size_t first, int count) {
    check_mpi(MPI_Ibcast(bytes.data() + first, count, MPI_BYTE, root, handle_, &requests.emplace_back()), what);
  });
  wait_all(requests, what);
  return bytes;
}

std::vector<std::string> MpiBackend::gather(std::string const& bytes, int root) const {
  char const* const what = "gather";
  bool const receives = rank_ == root;
  std::int64_t const size = static_cast<std::int64_t>(bytes.size());
  std::vector<std::int64_t> sizes(receives ? static_cast<std::size_t>(size_) : 0);
  std::vector<MPI_Request> requests(1);
  check_mpi(MPI_Igather(&size, 1, MPI_INT64_T, sizes.data(), 1, MPI_INT64_T, root, handle_, requests.data()), what);
  wait_all(requests, what);

  std::vector<std::string> all(sizes.size());
  if (!receives) {
    for_pieces(bytes.size(), [&](std::size_t first, int count) {
      check_mpi(MPI_Isend(bytes.data() + first, count, MPI_BYTE, root, kBytesTag, handle_, &requests.emplace_back()), what);
    });
  }
  for (std::size_t source = 0; source < all.size(); ++source) {
    if (static_cast<int>(source) == root) {
      all[source] = bytes;
      continue;
    }
    all[source].resize(static_cast<std::size_t>(sizes[source]));
    for_pieces(all[source].size(), [&](std::size_t first, int count) {
      check_mpi(MPI_Irecv(all[source].data() + first, count, MPI_BYTE, static_cast<int>(source), kBytesTag, handle_,
                          &requests.emplace_back()),
                what);
    });
  }
  wait_all(requests, what);
  return all;
}

std::vector<std::string> MpiBackend::all_gather(std::string const& bytes) const {
  char const* const what = "gather on all ranks";
  std::int64_t const size = static_cast<std::int64_t>(bytes.size());
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(size_));
  std::vector<MPI_Request> requests(1);
  check_mpi(MPI_Iallgather(&size, 1, MPI_INT64_T, sizes.data(), 1, MPI_INT64_T, handle_, requests.data()), what);
  wait_all(requests, what);

  std::vector<std::string> all(sizes.size());
  all[static_cast<std::size_t>(rank_)] = bytes;
  for (std::size_t source = 0; source < all.size(); ++source) {
    all[source].resize(static_cast<std::size_t>(sizes[source]));
    for_pieces(all[source].size(), [&](std::size_t first, int count) {
      check_mpi(
          MPI_Ibcast(all[source].data() + first, count, MPI_BYTE, static_cast<int>(source), handle_, &requests.emplace_back()),
          what);
    });
  }
  wait_all(requests, what);
  return all;
}

std::int64_t MpiBackend::all_reduce_sum(std::int64_t value) const {
  return all_reduce(handle_, value, MPI_SUM);
}
std::int64_t MpiBackend::all_reduce_max(std::int64_t value) const {
  return all_reduce(handle_, value, MPI_MAX);
}

Communicator MpiBackend::split(int color, int key) const {
  barrier();  // MPI_Comm_split burns the core while it waits
  MPI_Comm part = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split(handle_, color, key, &part), "split a group of ranks");
  return Communicator(std::make_shared<MpiBackend>(part));
}

Communicator MpiBackend::duplicate() const {
  return Communicator(copy());
}

std::shared_ptr<MpiBackend const> MpiBackend::copy() const {
  barrier();  // as for split
  MPI_Comm copy = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(handle_, &copy), "duplicate a group of ranks");
  return std::make_shared<MpiBackend const>(copy);
}

std::unique_ptr<Mailbox::Backend> MpiBackend::mailbox() const {
  return size_ == 1 ? LocalBackend().mailbox() : make_mpi_mailbox(*this);
}

std::unique_ptr<IntegerSums> MpiBackend::sums() const {
  if (size_ == 1) return LocalBackend().sums();
  return std::make_unique<MpiSums>(copy());
}

}  // namespace onemask
