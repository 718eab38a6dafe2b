#include "mpi_reducer.hpp"

#include "mpi_call.hpp"
#include "summable.hpp"
#include <onemask/core/invariant.hpp>

#include <algorithm>
#include <cstdint>

#include <ATen/ATen.h>

namespace onemask {

namespace {

constexpr std::int64_t kBucket = 512 * 1024;  // numbers, 4 MiB

}  // namespace

MpiReducer::~MpiReducer() {
  // After a failure MPI may still write into these tensors: better to lose the memory than to hand it to someone else.
  if (!requests_.empty()) static_cast<void>(new std::vector<Sum>(std::move(sums_)));
}

void MpiReducer::add(at::Tensor const& values) {
  expect_summable(values, device_);
  sums_.push_back({values, values.cpu()});
  auto* const data = sums_.back().host.data_ptr<std::int64_t>();
  std::int64_t started = 0;
  for (std::int64_t first = 0; first < values.numel(); first += kBucket) {
    int const count = static_cast<int>(std::min(kBucket, values.numel() - first));
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi(MPI_Iallreduce(MPI_IN_PLACE, data + first, count, MPI_INT64_T, MPI_SUM, ranks_->handle(), &request),
              "sum gradients");
    requests_.push_back(request);
    started += count;
  }
  invariant(started == values.numel(), started, " of a gradient's ", values.numel(), " numbers are summed");
  int complete = 0;  // asked only so that MPI gets on with the buckets before
  check_mpi(MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &complete, MPI_STATUSES_IGNORE), "sum gradients");
}

void MpiReducer::finalize() {
  wait_all(requests_, "sum gradients");
  invariant(requests_.empty(), requests_.size(), " parts of gradients are still on their way though all have arrived");
  for (auto& sum : sums_) {
    invariant(sum.host.numel() == sum.target.numel(), "a gradient of ", sum.target.numel(), " numbers was summed as ",
              sum.host.numel());
    if (!sum.target.is_same(sum.host)) sum.target.copy_(sum.host);
  }
  sums_.clear();
}

}  // namespace onemask
