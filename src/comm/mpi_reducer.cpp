#include "mpi_reducer.hpp"

#include "mpi_backend.hpp"
#include "mpi_call.hpp"

#include <algorithm>
#include <cstdint>
#include <stdexcept>

#include <ATen/ATen.h>

namespace onemask {

namespace {

constexpr std::int64_t kBucket = 512 * 1024;  // numbers, 4 MiB

}  // namespace

MpiReducer::MpiReducer(Communicator const& comm, c10::Device device) : comm_(comm.duplicate()), device_(device) {}

MpiReducer::~MpiReducer() {
  // After a failure MPI may still write into these tensors: better to lose the memory than to hand it to someone else.
  if (!requests_.empty()) static_cast<void>(new std::vector<Sum>(std::move(sums_)));
}

void MpiReducer::add(at::Tensor const& values) {
  expect_summable(values, device_);
  sums_.push_back({values, values.cpu()});
  auto* const data = sums_.back().host.data_ptr<std::int64_t>();
  for (std::int64_t first = 0; first < values.numel(); first += kBucket) {
    int const count = static_cast<int>(std::min(kBucket, values.numel() - first));
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi(MPI_Iallreduce(MPI_IN_PLACE, data + first, count, MPI_INT64_T, MPI_SUM, mpi_handle(comm_), &request),
              "sum gradients");
    requests_.push_back(request);
  }
  int complete = 0;  // asked only so that MPI gets on with the buckets before
  check_mpi(MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &complete, MPI_STATUSES_IGNORE), "sum gradients");
}

void MpiReducer::finalize() {
  wait_all(requests_, "sum gradients");
  for (auto& sum : sums_) {
    if (!sum.target.is_same(sum.host)) sum.target.copy_(sum.host);
  }
  sums_.clear();
}

void expect_summable(at::Tensor const& values, c10::Device device) {
  if (values.scalar_type() != at::kLong || !values.is_contiguous() || values.device().type() != device.type()) {
    throw std::invalid_argument("a gradient to be summed must be a contiguous int64 tensor on " + device.str() + ", not " +
                                values.toString() + " on " + values.device().str());
  }
}

}  // namespace onemask
