#include "support/pretend_nccl.hpp"

#include "comm/local_backend.hpp"
#include "compute/nccl_reducer.hpp"
#include "compute/reducer_choice.hpp"
#include "gpu/module/nccl_library.hpp"
#include "support/host_stream.hpp"
#include "support/pretend_device.hpp"
#include "support/pretend_module.hpp"
#include "support/time_limit.hpp"
#include "support/world.hpp"
#include <onemask/comm/mailbox.hpp>
#include <onemask/core/error.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using test::HostStream;
using test::PretendNccl;
using testing::HasSubstr;
using testing::StartsWith;

NcclLibrary const& library() {
  static NcclLibrary const on_host([](c10::Device) -> std::unique_ptr<DeviceStream> { return std::make_unique<HostStream>(); });
  return on_host;
}

std::unique_ptr<GradientReducer> reducer_of(Communicator const& comm) {
  return std::make_unique<NcclReducer>(comm, library(), at::kCPU);
}

/// As make_reducer, where every rank has a GPU.
std::unique_ptr<GradientReducer> chosen_reducer(Communicator const& comm) {
  return choose_reducer(comm, at::kCPU, &library(), "GPU of rank " + std::to_string(comm.rank()));
}

/// 53-bit integers, as gradients are; other ones on every rank.
at::Tensor gradient(std::int64_t size, int number) {
  std::int64_t const first = 1'000'000 * (test::world().rank() + 10 * number);
  return (at::arange(size, at::kLong) + first).mul(6364136223846793005).bitwise_right_shift(11);
}

/// Sums through `reducer` what MPI sums as well.
void expect_right_sums(Communicator const& comm, GradientReducer& reducer) {
  auto const oracle = make_reducer(comm, at::kCPU);
  for (int round = 0; round < 2; ++round) {
    std::vector<std::pair<at::Tensor, at::Tensor>> pairs;
    for (std::int64_t const size : {0, 1, 7, 65'536, 65'537, 300'001}) {
      auto const values = gradient(size, static_cast<int>(pairs.size()) + 10 * round);
      pairs.emplace_back(values, values.clone());
    }
    for (auto const& [got, expected] : pairs) {
      reducer.add(got);
      oracle->add(expected);
    }
    reducer.finalize();
    oracle->finalize();
    for (auto const& [got, expected] : pairs) EXPECT_TRUE(got.equal(expected)) << got.numel() << " numbers";
  }
}

/// What a rank says when `action` fails; empty where it does not.
template <class Failure>
std::string failure_of(std::function<void()> const& action) {
  test::TimeLimit const limit("what is to fail");
  try {
    action();
  } catch (Failure const& error) {
    return error.what();
  }
  return "";
}

/// The sums of this rank that an action begins and ends.
void sum_once(GradientReducer& reducer) {
  reducer.add(gradient(1000, 0));
  reducer.finalize();
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// What is written to stderr while all ranks do this. A rank that is a process has its own.
std::string said_by_ranks(std::function<void()> const& body) {
  test::TimeLimit const limit("what ranks do together");
  testing::internal::CaptureStderr();
  try {
    test::on_ranks(body);
  } catch (...) {
    testing::internal::GetCapturedStderr();
    throw;
  }
  return testing::internal::GetCapturedStderr();
}

class WorkingNccl : public testing::TestWithParam<char const*> {};

TEST_P(WorkingNccl, GivesTheSumsOfMpi) {
  PretendNccl const orders(GetParam());
  test::on_ranks([] {
    auto const reducer = reducer_of(test::world());
    EXPECT_EQ(reducer->transport(), "NCCL");
    expect_right_sums(test::world(), *reducer);
  });
}

INSTANTIATE_TEST_SUITE_P(Behaviours, WorkingNccl,
                         testing::Values("", "slow=20", "slow=20,rank=0", "in_progress=0", "in_progress=500",
                                         "in_progress=500,rank=last", "linger=1000"));

RANK_TEST(PretendedNccl, SumsWhatTheDeviceIsStillToMake) {
  HostStream const work;
  HostStream::Current const current(work);
  auto const values = at::zeros({70'000}, at::kLong);
  work.queue([values] {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    auto* const data = values.data_ptr<std::int64_t>();
    std::fill_n(data, values.numel(), 3);
  });
  auto const reducer = reducer_of(test::world());
  reducer->add(values);
  reducer->finalize();
  EXPECT_TRUE(values.equal(at::full({70'000}, 3 * test::world().size(), at::kLong)));
}

RANK_TEST(PretendedNccl, IsUsedWhereEveryRankHasAGpu) {
  auto const world = test::world();
  auto const otherwise = make_reducer(world, at::kCPU)->transport();
  EXPECT_THAT(otherwise, testing::AnyOf("MPI", "messages", "one rank"));
  auto const expect_choice = [&](std::string const& gpu, std::string const& transport, std::string const& reason) {
    auto const reducer = choose_reducer(world, at::kCPU, gpu.empty() ? nullptr : &library(), gpu);
    expect_right_sums(world, *reducer);
    EXPECT_EQ(reducer->transport(), transport) << reason;
    EXPECT_EQ(reducer->reason(), world.size() > 1 ? reason : "there is one rank");
  };
  auto const own = "GPU " + std::to_string(world.rank());
  expect_choice(own, world.size() > 1 ? "NCCL" : "one rank", "every rank has a GPU of its own");
  expect_choice("", otherwise, "ranks compute on CPUs");
  expect_choice(world.rank() == 0 ? "" : own, otherwise, "rank 0 has no GPU, or no NCCL for it");
  expect_choice("GPU 0", otherwise, world.size() == 2 ? "ranks 0, 1 share a GPU" : "ranks 0, 1, 2 share a GPU");
}

/// A device for each rank, as a program that is started with the pretend accelerator has it.
c10::Device own_device() {
  test::install_pretend_devices(3);
  return test::pretend_device(test::world().rank());
}

// Those of devices' numbers, which a late copy has still to bring there.
RANK_TEST(PretendedNccl, SumsNumbersOfDevices) {
  auto const world = test::world();
  auto const device = own_device();
  auto const& module = *onemask_pretend_module();
  auto const reducer = std::make_unique<NcclReducer>(world, *module.nccl(), device);
  auto const oracle = make_reducer(world, at::kCPU);
  for (int round = 0; round < 2; ++round) {
    auto const expected = gradient(70'000, round), mine = expected.clone();
    auto const got = mine.to(device, /*non_blocking=*/true);
    auto const part = got.slice(0, 1000, 69'000);  // an address in the middle of its memory
    reducer->add(part);
    reducer->finalize();
    oracle->add(expected.slice(0, 1000, 69'000));
    oracle->finalize();
    EXPECT_TRUE(got.cpu().equal(expected));
  }
  EXPECT_THROW(reducer->add(gradient(3, 0)), std::invalid_argument);
}

RANK_TEST(PretendedNccl, DevicesAreDescribed) {
  auto const device = own_device();
  auto const describe = [&] { return onemask_pretend_module()->describe(device.index()); };
  auto const before = describe();
  auto const tensor = at::zeros({1000}, at::device(device).dtype(at::kLong));
  auto const after = describe();
  EXPECT_EQ(before.free_memory - after.free_memory, 8000u);
  EXPECT_EQ(before.memory, after.memory);
  auto const buses = test::world().all_gather(before.bus_id), names = test::world().all_gather(before.uuid);
  EXPECT_EQ(std::set<std::string>(buses.begin(), buses.end()).size(), buses.size());
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
}

class FailingNccl : public testing::TestWithParam<char const*> {};

TEST_P(FailingNccl, EndsTheSumsOfAllRanksAndTheyGoOn) {
  auto const start = std::chrono::steady_clock::now();
  {
    PretendNccl const orders(GetParam());
    test::on_ranks([] {
      auto const world = test::world();
      auto const reducer = reducer_of(world);
      sum_once(*reducer);
      auto const failure = failure_of<RunError>([&] { sum_once(*reducer); });
      EXPECT_THAT(failure, StartsWith(std::string("NCCL failed to sum gradients: ") +
                                      (world.rank() == world.size() - 1
                                           ? "unhandled system error (a cable)"
                                           : "remote process exited or there was a network error (a process that exited)")));
      EXPECT_THAT(failure, HasSubstr("Run the same command again to continue"));
    });
  }
  test::on_ranks([] { expect_right_sums(test::world(), *reducer_of(test::world())); });
  EXPECT_LT(seconds_since(start), 60);
}

INSTANTIATE_TEST_SUITE_P(Behaviours, FailingNccl,
                         testing::Values("fail_after=1,rank=last", "fail_after=1,in_progress=200,rank=last",
                                         "fail_after=1,slow=30,rank=last"));

TEST(PretendedNccl, ALostPartnerEndsTheSumsAndTheOthersGoOn) {
  std::optional<PretendNccl> orders(std::in_place, "lose=last");
  std::once_flag over;
  std::atomic<bool> left_open = false;
  auto const said = said_by_ranks([&] {
    auto const world = test::world();
    int const last = world.size() - 1;
    if (last == 0) return;
    Mailbox mailbox(world);
    std::vector<int> ranks(static_cast<std::size_t>(world.size()));
    std::iota(ranks.begin(), ranks.end(), 0);
    // As the coordinator of a run does it: who waits in a group hears of a loss.
    auto const group = mailbox.group(ranks, 1, [&] {
      if (mailbox.receive(Mailbox::Recipient::worker)) throw LostRank("the last rank is lost");
    });
    {
      auto const reducer = reducer_of(group);
      world.barrier();
      if (world.rank() == last) {
        reducer->add(gradient(1000, 0));
        for (int rank = 0; rank < last; ++rank) mailbox.send(rank, Mailbox::Recipient::worker, "lost");
        left_open = true;
      } else {
        EXPECT_EQ(failure_of<LostRank>([&] { sum_once(*reducer); }), "the last rank is lost");
      }
    }
    std::call_once(over, [&] { orders.reset(); });
    world.barrier();
    if (world.rank() == last) return;
    auto const rest = mailbox.group({ranks.begin(), ranks.end() - 1}, 2, [] {});
    expect_right_sums(rest, *reducer_of(rest));
  });
  if (left_open) {
    EXPECT_THAT(said, HasSubstr("1 sum through NCCL was never asked for, and is given up."));
  }
}

TEST(PretendedNccl, SumsLeftOpenAreTold) {
  auto const said = said_by_ranks([] {
    auto const reducer = reducer_of(test::world());
    reducer->add(gradient(1000, 0));
    reducer->add(gradient(1000, 1));
    test::world().barrier();
  });
  EXPECT_THAT(said, HasSubstr("2 sums through NCCL were never asked for, and are given up."));
}

/// The others are in the middle of a sum, and would let this rank wait for ever.
RANK_TEST(PretendedNccl, ARankThatFailsElsewhereLeavesAtOnce) {
  auto const world = test::world();
  auto const start = std::chrono::steady_clock::now();
  auto const failure = failure_of<RunError>([&] {
    auto const reducer = reducer_of(world);
    if (world.rank() == world.size() - 1) throw RunError("a failure elsewhere");
    sum_once(*reducer);
  });
  EXPECT_THAT(failure, StartsWith(world.rank() == world.size() - 1 ? "a failure elsewhere"
                                                                   : "NCCL failed to sum gradients: remote process exited"));
  EXPECT_LT(seconds_since(start), 60);
}

/// `orders` keep the GPUs from being connected: all ranks say `failure` of it, rank 0 gives `advice`, and they sum otherwise.
void expect_no_connection(std::string const& orders, std::string const& failure, NcclPatience patience = {},
                          std::string const& advice = "NCCL_DEBUG=INFO prints more details.") {
  PretendNccl const behaviour(orders);
  bool const falls_back = patience.connect == NcclPatience().connect;  // that takes make_reducer too long otherwise
  std::atomic<bool> warns = false;
  auto const said = said_by_ranks([&] {
    auto const world = test::world();
    auto expected = failure;
    if (auto const place = expected.find("LAST"); place != std::string::npos) {
      expected.replace(place, 4, std::to_string(world.size() - 1));
    }
    EXPECT_EQ(failure_of<NcclError>([&] { NcclReducer(world, library(), at::kCPU, patience); }), expected);
    if (!falls_back || world.size() == 1) return;
    auto const reducer = chosen_reducer(world);
    EXPECT_EQ(reducer->transport(), make_reducer(world, at::kCPU)->transport());
    EXPECT_EQ(reducer->reason(), expected);
    expect_right_sums(world, *reducer);
    if (world.rank() == 0) warns = true;
  });
  if (warns) {
    EXPECT_THAT(said, HasSubstr(". Gradients are summed in the memory of the hosts instead, which takes longer"));
    EXPECT_THAT(said, HasSubstr(advice));
  } else {
    EXPECT_EQ(said, "");
  }
}

TEST(PretendedNccl, IsLeftByAllRanksWhereOneHasNoMemory) {
  std::string const failure = "unhandled cuda error (Cuda failure 'out of memory')";
  expect_no_connection("oom,rank=last", "NCCL failed to connect the GPUs: rank LAST: " + failure);
  expect_no_connection("oom,rank=0", "NCCL failed to connect the GPUs: rank 0: " + failure);
  expect_no_connection("oom", "NCCL failed to connect the GPUs: rank 0: " + failure);
}

TEST(PretendedNccl, IsLeftByAllRanksWhereOneIsNeverConnected) {
  NcclPatience patience;
  patience.connect = std::chrono::milliseconds(100);
  expect_no_connection("in_progress=-1,rank=last", "NCCL failed to connect the GPUs: rank LAST: it is not connected after 0.10 s",
                       patience);
}

TEST(PretendedNccl, IsLeftByAllRanksWhereItFindsNoNetwork) {
  expect_no_connection("no_interface",
                       "NCCL failed to make a group of GPUs: rank 0: invalid usage (run with NCCL_DEBUG=WARN for details) "
                       "(Bootstrap : no socket interface found)",
                       {}, "set NCCL_SOCKET_IFNAME to an interface that reaches all hosts");
}

TEST(PretendedNccl, IsRefusedWhereItIsOlderThanItsHeader) {
  auto const header = library().version();
  {
    PretendNccl const behaviour("version=22005");
    EXPECT_EQ(library().version(), "2.20.5");
  }
  expect_no_connection("version=2804",
                       "NCCL failed to make a group of GPUs: rank 0: NCCL 2.8.4 is loaded, but this program was "
                       "built with " +
                           header + " and needs that or a later one");
}

/// Memory that says when it is handed back.
struct Lent {
  std::vector<std::int64_t> numbers = std::vector<std::int64_t>(1000, 1);
  std::atomic<bool> back = false;

  at::Tensor tensor() {
    return at::from_blob(
        numbers.data(), {1000}, [this](void*) { back = true; }, at::TensorOptions(at::kLong));
  }
};

void fail_with(at::Tensor const& values, NcclPatience patience) {
  NcclReducer reducer(test::world(), library(), at::kCPU, patience);
  EXPECT_THAT(failure_of<RunError>([&] {
                reducer.add(values);
                reducer.finalize();
              }),
              StartsWith("NCCL failed to sum gradients: unhandled system error (a cable)"));
}

TEST(PretendedNccl, MemoryIsHandedBackOnlyWhenTheDeviceIsAtRest) {
  PretendNccl const orders("fail_after=0,linger=100");
  test::on_ranks([] {
    Lent memory;
    fail_with(memory.tensor(), {});
    EXPECT_TRUE(memory.back);
    std::fill(memory.numbers.begin(), memory.numbers.end(), 5);
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    EXPECT_THAT(memory.numbers, testing::Each(5));
  });
}

TEST(PretendedNccl, MemoryOfADeviceThatDoesNotComeToRestIsLost) {
  PretendNccl const orders("fail_after=0,linger=300");
  test::on_ranks([] {
    static std::vector<std::unique_ptr<Lent>> for_ever;  // the device still writes there
    static std::mutex mutex;
    auto memory = std::make_unique<Lent>();
    NcclPatience patience;
    patience.rest = std::chrono::milliseconds(20);
    fail_with(memory->tensor(), patience);
    EXPECT_FALSE(memory->back);
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    EXPECT_FALSE(memory->back);
    std::lock_guard const lock(mutex);
    for_ever.push_back(std::move(memory));
  });
}

/// Two processes, of which the first forks the second. They talk through memory that they share.
class ForkedPair {
 public:
  ForkedPair() : shared_(new (mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Shared) {}

  /// Runs `body` on rank 1, which is killed at its end at the latest.
  void fork_second(std::function<void(Communicator const&)> const& body) {
    child_ = fork();
    if (child_ != 0) return;
    try {
      body(Communicator(std::make_shared<Backend const>(*this, 1)));
    } catch (...) {
    }
    kill(getpid(), SIGKILL);
  }
  ~ForkedPair() {
    if (!reaped_) waitpid(child_, nullptr, 0);
    munmap(shared_, sizeof(Shared));
  }
  ForkedPair(ForkedPair const&) = delete;
  ForkedPair& operator=(ForkedPair const&) = delete;

  /// Whether the second process has ended.
  bool alone() {
    reaped_ = reaped_ || waitpid(child_, nullptr, WNOHANG) == child_;
    return reaped_;
  }
  /// Rank 0. A wait notices the loss of the other where it `watches`.
  Communicator first(bool watches) { return Communicator(std::make_shared<Backend const>(*this, 0, watches)); }

 private:
  struct Shared {
    std::array<char, 512> bytes{};
    std::atomic<std::size_t> size = 0;
  };

  class Backend : public LocalBackend {
   public:
    Backend(ForkedPair& pair, int rank, bool watches = false) : pair_(pair), rank_(rank), watches_(watches) {}
    int rank() const override { return rank_; }
    int size() const override { return 2; }
    std::string broadcast(std::string bytes, int) const override {
      auto& shared = *pair_.shared_;
      if (rank_ == 0) {
        std::copy(bytes.begin(), bytes.end(), shared.bytes.begin());
        shared.size = bytes.size();
        return bytes;
      }
      while (shared.size == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      return {shared.bytes.data(), shared.size.load()};
    }
    void poll() const override {
      if (watches_ && pair_.alone()) throw LostRank("rank 1 was killed");
    }

   private:
    ForkedPair& pair_;
    int rank_;
    bool watches_;
  };

  Shared* shared_;
  pid_t child_ = 0;
  bool reaped_ = false;
};

/// A process that is killed in the middle of its sums ends those of the other.
void expect_end_by_loss(bool told_by_nccl) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "the sanitizer does not take threads in a fork";
#endif
  if (test::world().size() > 1) GTEST_SKIP() << "MPI's processes may not fork";
  PretendNccl const orders(told_by_nccl ? "" : "lose=1");
  ForkedPair pair;
  pair.fork_second([&](Communicator const& comm) {
    NcclReducer reducer(comm, library(), at::kCPU);
    if (told_by_nccl) sum_once(reducer);
    kill(getpid(), SIGKILL);
  });
  auto const start = std::chrono::steady_clock::now();
  auto const comm = pair.first(!told_by_nccl);
  auto const reducer = reducer_of(comm);
  if (told_by_nccl) {
    sum_once(*reducer);
    EXPECT_THAT(failure_of<RunError>([&] { sum_once(*reducer); }),
                StartsWith("NCCL failed to sum gradients: remote process exited or there was a network error (a process that"));
  } else {
    EXPECT_EQ(failure_of<LostRank>([&] { sum_once(*reducer); }), "rank 1 was killed");
  }
  EXPECT_LT(seconds_since(start), 60);
}

TEST(PretendedNccl, AKilledProcessEndsTheSumsOfOthers) {
  expect_end_by_loss(true);
}

TEST(PretendedNccl, AKilledProcessThatNcclSaysNothingOfEndsTheSumsOfOthers) {
  expect_end_by_loss(false);
}

}  // namespace
}  // namespace onemask
