/// What the program uses of NCCL's interface, so that its own code is tested without GPUs. See pretend_nccl.hpp.
#include "support/pretend_nccl.hpp"

#include "support/host_stream.hpp"
#include "support/pretend_memory.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <nccl.h>

namespace onemask::test {
namespace {

constexpr char const* variable = "ONEMASK_PRETEND_NCCL";
constexpr int most_ranks = 8;
constexpr std::size_t chunk = 1 << 16;  // numbers

struct Orders {
  int slow = 0, in_progress = 2, fail_after = -1, lose = -1, linger = 0, version = NCCL_VERSION_CODE;
  bool oom = false, no_interface = false;
};

/// Of a rank of so many; -1: of the library.
Orders orders_of(int rank, int ranks) {
  auto const* const text = std::getenv(variable);
  std::istringstream words(text == nullptr ? "" : text);
  Orders orders;
  int only = -1;
  for (std::string word; std::getline(words, word, ',');) {
    auto const sign = word.find('=');
    auto const name = word.substr(0, sign);
    auto const argument = sign == std::string::npos ? "1" : word.substr(sign + 1);
    int const value = argument == "last" ? ranks - 1 : std::stoi(argument);
    if (name == "slow") orders.slow = value;
    if (name == "in_progress") orders.in_progress = value;
    if (name == "fail_after") orders.fail_after = value;
    if (name == "lose") orders.lose = value;
    if (name == "oom") orders.oom = true;
    if (name == "no_interface") orders.no_interface = true;
    if (name == "linger") orders.linger = value;
    if (name == "version") orders.version = value;
    if (name == "rank") only = value;
  }
  if (only < 0 || rank < 0 || rank == only) return orders;
  Orders others;
  others.lose = orders.lose;  // concerns all
  return others;
}

/// A rank, as the others see it. All begins as zeros.
struct Seat {
  std::atomic<int> process;        ///< 0: has not come
  std::atomic<bool> done, gone;    ///< has left in peace; at once
  std::atomic<std::size_t> given;  ///< chunks that the others may read; the last of them has so many numbers
  std::atomic<std::size_t> count;  ///< of numbers in that chunk
  std::atomic<std::size_t> taken;  ///< chunks of all that it has read
};

struct Shared {
  std::array<Seat, most_ranks> seats;
  std::array<std::array<std::uint64_t, chunk>, most_ranks> numbers;
};

bool has_ended(int process) {
  if (process == getpid()) return false;
  if (kill(process, 0) != 0) return errno == ESRCH;
  std::ifstream in("/proc/" + std::to_string(process) + "/stat");
  std::string const stat((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  auto const name = stat.rfind(')');
  return name != std::string::npos && name + 2 < stat.size() && (stat[name + 2] == 'Z' || stat[name + 2] == 'X');
}

thread_local std::string last_error;

ncclResult_t refuse(std::string const& why) {
  last_error = why;
  return ncclInvalidArgument;
}

/// One rank's end of a group: what its sums need, which may run for longer than NCCL's handle lives.
class Member {
 public:
  Member(std::string name, int rank, int ranks)
      : orders(orders_of(rank, ranks)), name_(std::move(name)), rank_(rank), ranks_(ranks) {
    int const file = shm_open(name_.c_str(), O_CREAT | O_RDWR, 0600);
    if (file < 0 || ftruncate(file, sizeof(Shared)) != 0) std::abort();
    auto* const memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED) std::abort();
    shared_ = static_cast<Shared*>(memory);
  }
  ~Member() { munmap(shared_, sizeof(Shared)); }
  Member(Member const&) = delete;
  Member& operator=(Member const&) = delete;

  void come() {
    own().process = getpid();
    if (all_came()) shm_unlink(name_.c_str());
  }
  bool all_came() const {
    return every([](Seat const& seat) { return seat.process != 0; });
  }
  void leave() { own().done = true; }
  bool all_left() const {
    return every([](Seat const& seat) { return seat.done.load(); });
  }
  void abort() {
    aborted_ = true;
    if (rank_ != orders.lose) own().gone = true;
    shm_unlink(name_.c_str());
  }

  /// Sums in place, in chunks that are counted from `first` on.
  void sum(std::uint64_t* values, std::size_t count, std::size_t first, bool fails) {
    std::this_thread::sleep_for(std::chrono::milliseconds(orders.slow));
    if (fails) fail(ncclSystemError, "a cable");
    auto round = first;
    for (std::size_t start = 0; start < count; start += chunk) {
      if (fails || orders.lose == rank_ || !sum_chunk(values + start, std::min(chunk, count - start), ++round)) {
        return wait_for_end(values, count);
      }
    }
  }

  /// What has become of what was begun, as far as other ranks matter.
  void look_for_losses() {
    for (int rank = 0; rank < ranks_; ++rank) {
      auto const& seat = shared_->seats[static_cast<std::size_t>(rank)];
      if (rank == rank_ || rank == orders.lose || seat.done || seat.process == 0) continue;
      if (seat.gone || has_ended(seat.process)) fail(ncclRemoteError, "a process that exited");
    }
  }
  void fail(ncclResult_t error, char const* why) {
    if (error_ != ncclSuccess) return;
    why_ = why;
    error_ = error;
  }
  ncclResult_t error() const { return error_; }
  char const* why() const { return why_; }

  Orders const orders;

 private:
  Seat& own() { return shared_->seats[static_cast<std::size_t>(rank_)]; }
  template <class Condition>
  bool every(Condition const& condition) const {
    return std::all_of(shared_->seats.begin(), shared_->seats.begin() + ranks_, condition);
  }

  bool sum_chunk(std::uint64_t* values, std::size_t count, std::size_t round) {
    if (!wait_until([&](Seat const& seat) { return seat.taken + 1 >= round; })) return false;
    std::copy_n(values, count, shared_->numbers[static_cast<std::size_t>(rank_)].begin());
    own().count = count;
    own().given = round;
    if (!wait_until([&](Seat const& seat) { return seat.given >= round; })) return false;
    if (!every([&](Seat const& seat) { return seat.count == count; })) {
      fail(ncclInvalidUsage, "ranks sum different numbers of numbers");
      return false;
    }
    for (int step = 1; step < ranks_; ++step) {  // every rank in an order of its own
      auto const& others = shared_->numbers[static_cast<std::size_t>((rank_ + step) % ranks_)];
      for (std::size_t i = 0; i < count; ++i) values[i] += others[i];
    }
    own().taken = round;
    return true;
  }

  template <class Condition>
  bool wait_until(Condition const& condition) {
    for (int looks = 0; !every(condition); ++looks) {
      if (aborted_ || error_ != ncclSuccess) return false;
      if (looks % 32 == 31) look_for_losses();
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
    return true;
  }

  /// A sum that cannot go on ends only when it is aborted, and not at once.
  void wait_for_end(std::uint64_t* values, std::size_t count) {
    while (!aborted_) std::this_thread::sleep_for(std::chrono::microseconds(50));
    auto const end = std::chrono::steady_clock::now() + std::chrono::milliseconds(orders.linger);
    while (std::chrono::steady_clock::now() < end) {
      std::fill_n(values, count, std::uint64_t{0xdead});
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }

  std::string name_;
  int rank_, ranks_;
  Shared* shared_ = nullptr;
  std::atomic<bool> aborted_ = false;
  std::atomic<ncclResult_t> error_ = ncclSuccess;
  std::atomic<char const*> why_ = "";
};

}  // namespace

PretendNccl::PretendNccl(std::string const& orders) {
  setenv(variable, orders.c_str(), 1);
}

PretendNccl::~PretendNccl() {
  unsetenv(variable);
}

}  // namespace onemask::test

using onemask::test::HostStream;
using onemask::test::last_error;
using onemask::test::Member;
using onemask::test::refuse;

namespace {

/// The number of this thread's device, among those that something has registered with LibTorch; 0 where nothing has.
c10::DeviceIndex current_device() {
  constexpr auto type = c10::DeviceType::PrivateUse1;
  return c10::impl::hasDeviceGuardImpl(type) ? c10::impl::getDeviceGuardImpl(type)->getDevice().index() : c10::DeviceIndex{0};
}

}  // namespace

struct ncclComm {
  std::shared_ptr<Member> member;
  c10::DeviceIndex device = current_device();  ///< NCCL takes the calling thread's
  int waits = 0;                               ///< answers until what was begun is under way; < 0: for ever
  int sums = 0;
  std::size_t chunks = 0;
  bool leaving = false;
};

namespace {

ncclResult_t state_of(ncclComm& comm) {
  auto& member = *comm.member;
  if (member.error() != ncclSuccess) return member.error();
  if (comm.waits != 0) {
    comm.waits -= comm.waits > 0;
    return ncclInProgress;
  }
  if (!member.all_came()) return ncclInProgress;
  if (!comm.leaving) return ncclSuccess;
  if (member.all_left()) return ncclSuccess;
  member.look_for_losses();
  return member.error() != ncclSuccess ? member.error() : ncclInProgress;
}

/// NCCL takes nothing new before the last is under way.
ncclResult_t expect_ready(ncclComm& comm) {
  if (comm.device != current_device()) return refuse("the thread's device is another than the group's");
  if (comm.member->error() != ncclSuccess) return comm.member->error();
  if (comm.waits != 0 || !comm.member->all_came()) return refuse("the last call is still in progress");
  return comm.leaving ? refuse("the group was left") : ncclSuccess;
}

}  // namespace

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  *version = onemask::test::orders_of(-1, 0).version;
  return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  if (onemask::test::orders_of(-1, 0).no_interface) {
    last_error = "Bootstrap : no socket interface found";
    return ncclInvalidUsage;
  }
  static std::atomic<int> groups = 0;
  auto const time = std::chrono::steady_clock::now().time_since_epoch().count();
  auto const name = "/onemask-" + std::to_string(getpid()) + "-" + std::to_string(++groups) + "-" + std::to_string(time);
  std::memset(id, 0, sizeof *id);
  std::memcpy(id->internal, name.data(), name.size());
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank, ncclConfig_t* config) {
  if (config->magic != 0xcafebeef || config->size != sizeof *config || config->blocking != 0) return refuse("the configuration");
  if (ranks < 1 || ranks > onemask::test::most_ranks || rank < 0 || rank >= ranks) return refuse("the rank");
  *comm = new ncclComm{std::make_shared<Member>(id.internal, rank, ranks)};
  auto& member = *(*comm)->member;
  (*comm)->waits = member.orders.in_progress;
  if (member.orders.oom) {
    member.fail(ncclUnhandledCudaError, "Cuda failure 'out of memory'");
  } else {
    member.come();
  }
  return ncclInProgress;
}

ncclResult_t ncclAllReduce(void const* from, void* to, std::size_t count, ncclDataType_t type, ncclRedOp_t operation,
                           ncclComm_t comm, cudaStream_t stream) {
  if (from == nullptr || from != to || count == 0) return refuse("the memory");
  if (type != ncclInt64 || operation != ncclSum) return refuse("the operation");
  if (auto const result = expect_ready(*comm); result != ncclSuccess) return result;
  bool const fails = comm->sums++ == comm->member->orders.fail_after;
  auto* const values = static_cast<std::uint64_t*>(onemask::test::host_address(to));
  if (values == nullptr) return refuse("the memory");
  HostStream::queue(
      stream, [member = comm->member, values, count, first = comm->chunks, fails] { member->sum(values, count, first, fails); });
  comm->chunks += (count + onemask::test::chunk - 1) / onemask::test::chunk;
  comm->waits = comm->member->orders.in_progress;
  return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* error) {
  if (comm == nullptr) return refuse("no group");
  *error = state_of(*comm);
  return ncclSuccess;
}

ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  if (auto const result = expect_ready(*comm); result != ncclSuccess) return result;
  comm->leaving = true;
  comm->waits = comm->member->orders.in_progress;
  comm->member->leave();
  return ncclInProgress;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  delete comm;
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  comm->member->abort();
  delete comm;
  return ncclSuccess;
}

char const* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclUnhandledCudaError:
      return "unhandled cuda error";
    case ncclSystemError:
      return "unhandled system error";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    case ncclInvalidArgument:
      return "invalid argument";
    case ncclInvalidUsage:
      return "invalid usage (run with NCCL_DEBUG=WARN for details)";
    default:
      return "another error";
  }
}

char const* ncclGetLastError(ncclComm_t comm) {
  return comm != nullptr && *comm->member->why() != '\0' ? comm->member->why() : last_error.c_str();
}

}  // extern "C"
