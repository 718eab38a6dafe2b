#include "mpi_sums.hpp"

#include "mpi_call.hpp"
#include <onemask/core/invariant.hpp>

#include <algorithm>
#include <cstdint>

namespace onemask {

namespace {

constexpr std::int64_t kBucket = 512 * 1024;  // numbers, 4 MiB

}  // namespace

MpiSums::~MpiSums() {
  // After a failure MPI may still write into this memory: better to lose it than to hand it to someone else.
  if (!requests_.empty()) static_cast<void>(new std::vector<std::shared_ptr<void const>>(std::move(owners_)));
}

void MpiSums::start(std::int64_t* values, std::int64_t count, std::shared_ptr<void const> owner) {
  owners_.push_back(std::move(owner));
  std::int64_t started = 0;
  for (std::int64_t first = 0; first < count; first += kBucket) {
    int const numbers = static_cast<int>(std::min(kBucket, count - first));
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi(MPI_Iallreduce(MPI_IN_PLACE, values + first, numbers, MPI_INT64_T, MPI_SUM, ranks_->handle(), &request),
              "sum gradients");
    requests_.push_back(request);
    started += numbers;
  }
  invariant(started == count, started, " of a gradient's ", count, " numbers are summed");
  int complete = 0;  // asked only so that MPI gets on with the buckets before
  check_mpi(MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &complete, MPI_STATUSES_IGNORE), "sum gradients");
}

void MpiSums::finish() {
  wait_all(requests_, "sum gradients");
  invariant(requests_.empty(), requests_.size(), " parts of gradients are still on their way though all have arrived");
  owners_.clear();
}

}  // namespace onemask
