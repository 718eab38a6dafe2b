#include "compute/nccl_reducer.hpp"

#include "comm/local_backend.hpp"
#include "support/time_limit.hpp"
#include "support/world.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>

#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

/// What becomes of a pretended group.
struct Fate {
  bool sums_fail = false, sums_hang = false;
  int looks = 3;  ///< until something is through
  bool in_peace = false, at_once = false;
  bool sums_lost = false;  ///< tensors were freed before the group that writes to them
};

/// A group that sums tensors of the CPU over ranks, and takes its time.
class PretendedGroup : public NcclGroup {
 public:
  PretendedGroup(Communicator const& comm, Fate& fate) : sums_(make_reducer(comm, at::kCPU)), fate_(fate) { begin(); }
  ~PretendedGroup() override {
    (left_ && waits_ == 0 && !aborted_ ? fate_.in_peace : fate_.at_once) = true;
    for (auto const& values : begun_) fate_.sums_lost = fate_.sums_lost || values.use_count() == 1;
  }

  bool ready() override {
    if (fate_.sums_fail && !begun_.empty()) throw NcclError("unhandled system error (a cable)");
    return waits_ == 0 || --waits_ == 0;
  }
  void sum(at::Tensor const& values) override {
    begin();
    begun_.push_back(values);
  }
  bool complete() override {
    if (aborted_) return true;
    if (fate_.sums_hang) return false;
    for (auto const& values : begun_) sums_->add(values);
    sums_->finalize();
    begun_.clear();
    return true;
  }
  void leave() override {
    begin();
    left_ = true;
  }
  void abort() noexcept override { aborted_ = true; }

 private:
  void begin() {
    EXPECT_EQ(waits_, 0) << "something else has yet to get under way";
    waits_ = fate_.looks;
  }

  std::unique_ptr<GradientReducer> sums_;
  std::vector<at::Tensor> begun_;
  Fate& fate_;
  int waits_ = 0;
  bool left_ = false, aborted_ = false;
};

class PretendedNccl : public Nccl {
 public:
  PretendedNccl(Communicator comm, Fate& fate) : comm_(std::move(comm)), fate_(fate) {}

  std::string version() const override { return "0.0.0"; }
  std::string new_group() const override { return "named by rank " + std::to_string(comm_.rank()); }
  std::unique_ptr<NcclGroup> join(std::string const& group, int rank, int ranks, c10::Device) const override {
    EXPECT_EQ(group, "named by rank 0");
    EXPECT_EQ(std::pair(rank, ranks), std::pair(comm_.rank(), comm_.size()));
    return std::make_unique<PretendedGroup>(comm_, fate_);
  }

 private:
  Communicator comm_;
  Fate& fate_;
};

at::Tensor numbers(std::int64_t factor) {
  return at::arange(1000, at::kLong) * factor;
}

TEST(NcclReducer, AddsUpOverAllRanks) {
  auto const comm = test::world();
  Fate fate;
  {
    NcclReducer reducer(comm, PretendedNccl(comm, fate), at::kCPU);
    EXPECT_EQ(reducer.transport(), "NCCL");
    std::int64_t const all = comm.size() * (comm.size() + 1) / 2;
    for (int round = 0; round < 2; ++round) {
      auto const first = numbers(comm.rank() + 1), second = numbers(-3 * (comm.rank() + 1));
      reducer.add(first);
      reducer.add(second);
      reducer.finalize();
      EXPECT_TRUE(first.equal(numbers(all)));
      EXPECT_TRUE(second.equal(numbers(-3 * all)));
    }
    reducer.finalize();
  }
  EXPECT_TRUE(fate.in_peace);
}

TEST(NcclReducer, SaysWhatFailedAndLeavesAtOnce) {
  Fate fate;
  fate.sums_fail = true;
  NcclReducer reducer(test::world(), PretendedNccl(test::world(), fate), at::kCPU);
  try {
    reducer.add(numbers(1));
    ADD_FAILURE() << "a failure of NCCL must be reported";
  } catch (RunError const& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("NCCL failed to sum gradients: unhandled system error (a cable). Run"));
  }
  EXPECT_TRUE(fate.at_once);
  EXPECT_THROW(reducer.add(numbers(1)), BrokenInvariant);
  EXPECT_THROW(reducer.finalize(), BrokenInvariant);
}

TEST(NcclReducer, LeavesAtOnceWithSumsUnderWay) {
  Fate fate;
  {
    NcclReducer reducer(test::world(), PretendedNccl(test::world(), fate), at::kCPU);
    reducer.add(numbers(1));
  }
  EXPECT_TRUE(fate.at_once);
  EXPECT_FALSE(fate.in_peace);
  EXPECT_FALSE(fate.sums_lost);
}

/// One rank of a group that is to end.
class EndedBackend : public LocalBackend {
  void poll() const override { throw LostRank("rank 1 is lost"); }
};

TEST(NcclReducer, EndsWithItsGroup) {
  Communicator const alone;
  Fate fate;
  fate.sums_hang = true;
  NcclReducer reducer(Communicator(std::make_shared<EndedBackend const>()), PretendedNccl(alone, fate), at::kCPU);
  reducer.add(numbers(1));
  test::TimeLimit const limit("a sum whose group is to end");
  EXPECT_THROW(reducer.finalize(), LostRank);
  EXPECT_TRUE(fate.at_once);
}

}  // namespace
}  // namespace onemask
