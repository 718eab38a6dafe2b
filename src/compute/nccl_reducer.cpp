#include "compute/nccl_reducer.hpp"

#include "compute/summable.hpp"
#include <onemask/core/backoff.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>

#include <chrono>

namespace onemask {

namespace {

constexpr std::chrono::milliseconds awake(1);  // before a wait becomes naps

}  // namespace

NcclReducer::NcclReducer(Communicator const& comm, Nccl const& nccl, c10::Device device) : comm_(comm), device_(device) {
  std::string name;
  attempt("make a group of GPUs", [&] {
    if (comm.rank() == 0) name = nccl.new_group();
  });
  name = comm.broadcast(name, 0);
  attempt("connect the GPUs", [&] { group_ = nccl.join(name, comm.rank(), comm.size(), device); });
}

NcclReducer::~NcclReducer() {
  if (group_ == nullptr || !sums_.empty()) return;
  try {
    attempt("leave the group of GPUs", [&] { group_->leave(); });
  } catch (...) {
    // left already, and a destructor may not throw
  }
}

void NcclReducer::add(at::Tensor const& values) {
  expect_summable(values, device_);
  expect_group();
  sums_.push_back(values);
  attempt("sum gradients", [&] { group_->sum(values); });
}

void NcclReducer::finalize() {
  if (sums_.empty()) return;
  expect_group();
  attempt("sum gradients", [&] {
    for (Backoff const backoff(awake); !group_->complete();) {
      group_->ready();  // or has failed
      if (backoff.wait()) comm_.poll();
    }
  });
  sums_.clear();
}

void NcclReducer::expect_group() const {
  invariant(group_ != nullptr, "gradients are summed by a group of GPUs that has failed");
}

/// Does what NCCL is asked for, and waits until it is under way. A GPU whose partner is lost would wait for ever: when the group
/// is to end, so does this.
template <class Action>
void NcclReducer::attempt(std::string const& what, Action const& action) {
  try {
    action();
    for (Backoff const backoff(awake); group_ != nullptr && !group_->ready();) {
      if (backoff.wait()) comm_.poll();
    }
  } catch (NcclError const& error) {
    group_.reset();
    throw RunError("NCCL failed to " + what + ": " + error.what() +
                   ". Run the same command again to continue; NCCL_DEBUG=INFO prints more details.");
  } catch (...) {
    group_.reset();
    throw;
  }
}

}  // namespace onemask
