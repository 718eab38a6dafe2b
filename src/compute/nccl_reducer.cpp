#include "compute/nccl_reducer.hpp"

#include "compute/summable.hpp"
#include <onemask/core/backoff.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/log.hpp>
#include <onemask/core/text.hpp>

#include <algorithm>
#include <exception>
#include <thread>

#include <fmt/core.h>

namespace onemask {

namespace {

using NcclClock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds awake(1);  // before a wait becomes naps

/// The bytes that name a new group. Throws on every rank where rank 0 cannot make them.
std::string new_group(Communicator const& comm, Nccl const& nccl) {
  constexpr char made = '+', failed = '-';
  std::string word;
  if (comm.rank() == 0) {
    try {
      word = made + nccl.new_group();
    } catch (std::exception const& error) {
      word = failed + std::string(error.what());
    }
  }
  word = comm.broadcast(word, 0);
  invariant(!word.empty(), "rank 0 does not say whether it made a group of GPUs");
  if (word.front() == failed) throw NcclError("NCCL failed to make a group of GPUs: rank 0: " + word.substr(1));
  return word.substr(1);
}

}  // namespace

NcclReducer::NcclReducer(Communicator const& comm, Nccl const& nccl, c10::Device device, NcclPatience patience)
    : comm_(comm), device_(device), patience_(patience), exceptions_(std::uncaught_exceptions()) {
  connect(nccl, new_group(comm, nccl));
}

NcclReducer::~NcclReducer() {
  if (group_ == nullptr) return;
  try {
    if (std::uncaught_exceptions() > exceptions_) {  // the others may be in the middle of a sum, and this rank is not to wait
      abandon();
    } else if (sums_.empty()) {
      attempt("leave the group of GPUs", [&] { group_->leave(); });
    } else {
      log_warning(fmt::format("{} through NCCL {} never asked for, and {} given up.", counted(sums_.size(), "sum"),
                              sums_.size() == 1 ? "was" : "were", sums_.size() == 1 ? "is" : "are"));
      abandon();
    }
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

/// The ranks look at their GPUs together, so that all learn of the failure of one: NCCL itself would leave them waiting.
void NcclReducer::connect(Nccl const& nccl, std::string const& name) {
  constexpr std::int64_t connected = 0, waiting = 1, failed = 2;
  std::string failure;
  auto const look = [&](auto const& action) {
    try {
      return action() ? connected : waiting;
    } catch (std::exception const& error) {
      failure = error.what();
      if (failure.empty()) failure = "it does not say why";
      return failed;
    }
  };
  auto const end = NcclClock::now() + patience_.connect;
  auto own = look([&] {
    group_ = nccl.join(name, comm_.rank(), comm_.size(), device_);
    return group_->ready();
  });
  auto all = comm_.all_reduce_max(own);
  for (; all == waiting; all = comm_.all_reduce_max(own)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    own = look([&] { return group_->ready(); });
    if (own != waiting || NcclClock::now() < end) continue;
    failure = "it is not connected after " + format_duration(std::chrono::duration<double>(patience_.connect).count());
    own = failed;
  }
  if (all == connected) return;
  group_.reset();
  auto const failures = comm_.all_gather(failure);
  auto const first = std::find_if(failures.begin(), failures.end(), [](auto const& words) { return !words.empty(); });
  invariant(first != failures.end(), "the GPU of a rank failed, but none says why");
  throw NcclError(fmt::format("NCCL failed to connect the GPUs: rank {}: {}", first - failures.begin(), *first));
}

void NcclReducer::expect_group() const {
  invariant(group_ != nullptr, "gradients are summed by a group of GPUs that has failed");
}

/// Whether the GPU ends what it was given for sums. NCCL's kernels look now and then whether they are aborted.
bool NcclReducer::comes_to_rest() const {
  try {
    auto const end = NcclClock::now() + patience_.rest;
    for (Backoff const backoff(awake); !group_->complete(); backoff.wait()) {
      if (NcclClock::now() >= end) return false;
    }
    return true;
  } catch (...) {
    return false;  // nobody knows
  }
}

/// Leaves at once. Memory that the GPU may still write to is lost: better than to hand it to someone else.
void NcclReducer::abandon() {
  if (group_ == nullptr) return;
  group_->abort();
  if (!sums_.empty() && !comes_to_rest()) static_cast<void>(new std::vector<at::Tensor>(sums_));
  group_.reset();
}

/// Does what NCCL is asked for, and waits until it is under way. A GPU whose partner is lost would wait for ever: when the group
/// is to end, so does this.
template <class Action>
void NcclReducer::attempt(std::string const& what, Action const& action) {
  try {
    action();
    for (Backoff const backoff(awake); !group_->ready();) {
      if (backoff.wait()) comm_.poll();
    }
  } catch (NcclError const& error) {
    abandon();
    throw RunError("NCCL failed to " + what + ": " + error.what() +
                   ". Run the same command again to continue; NCCL_DEBUG=INFO prints more details.");
  } catch (...) {
    abandon();
    throw;
  }
}

}  // namespace onemask
