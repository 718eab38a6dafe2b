#include "mpi_transfers.hpp"

#include "mpi_call.hpp"

#include <algorithm>

namespace onemask {
namespace {

constexpr std::size_t most_bytes = std::size_t{1} << 22;

/// Calls `start(first, count)` for every piece of `size` bytes; nothing is one piece too.
template <class Start>
void for_messages(std::size_t size, Start const& start) {
  std::size_t first = 0;
  do {
    start(first, static_cast<int>(std::min(most_bytes, size - first)));
    first += most_bytes;
  } while (first < size);
}

}  // namespace

MpiTransfers::~MpiTransfers() {
  if (done()) return;
  for (auto& request : requests_) {
    if (request != MPI_REQUEST_NULL) MPI_Cancel(&request);
  }
  if (!done()) static_cast<void>(new std::vector<std::shared_ptr<void const>>(std::move(owners_)));
}

void MpiTransfers::send(int to, void const* bytes, std::size_t size, std::shared_ptr<void const> owner) {
  owners_.push_back(std::move(owner));
  for_messages(size, [&](std::size_t first, int count) {
    auto const* const from = static_cast<char const*>(bytes) + first;
    check_mpi(MPI_Isend(from, count, MPI_BYTE, to, tag_, comm_, &requests_.emplace_back(MPI_REQUEST_NULL)), "send to a rank");
  });
}

void MpiTransfers::receive(int from, void* bytes, std::size_t size, std::shared_ptr<void const> owner) {
  owners_.push_back(std::move(owner));
  for_messages(size, [&](std::size_t first, int count) {
    auto* const into = static_cast<char*>(bytes) + first;
    check_mpi(MPI_Irecv(into, count, MPI_BYTE, from, tag_, comm_, &requests_.emplace_back(MPI_REQUEST_NULL)),
              "receive from a rank");
  });
}

bool MpiTransfers::done() {
  if (requests_.empty()) return true;
  int complete = 0;
  auto const count = static_cast<int>(requests_.size());
  return MPI_Testall(count, requests_.data(), &complete, MPI_STATUSES_IGNORE) != MPI_SUCCESS || complete != 0;
}

void MpiTransfers::wait(std::string const& what, std::function<void()> const& meanwhile) {
  wait_all(requests_, what, meanwhile);
  owners_.clear();
}

}  // namespace onemask
