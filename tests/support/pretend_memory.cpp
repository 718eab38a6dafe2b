#include "support/pretend_memory.hpp"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <utility>

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

namespace onemask::test {
namespace {

using Address = std::uintptr_t;

constexpr auto range_size = pretend_addresses;  // addresses only, no memory
constexpr std::size_t step = 512;               // CUDA's alignment

Address all_ranges = 0;
std::array<PretendAccount, most_pretend_devices> accounts;
struct sigaction answer_before;

/// The addresses of a device. A freed one is not given again soon.
class Addresses {
 public:
  Address take(c10::DeviceIndex device, std::size_t bytes, void* numbers) {
    std::lock_guard const lock(mutex_);
    auto const begin = all_ranges + static_cast<std::size_t>(device) * range_size, end = begin + range_size;
    if (next_ == 0) next_ = begin;
    for (int round = 0; round < 2; ++round, next_ = begin) {
      for (auto used = used_.lower_bound(next_);; ++used) {
        auto const limit = used == used_.end() ? end : used->first;
        if (limit - next_ >= bytes) {
          used_.emplace(next_, Piece{bytes, numbers});
          return std::exchange(next_, next_ + bytes);
        }
        if (used == used_.end()) break;
        next_ = used->first + used->second.bytes;
      }
    }
    TORCH_CHECK_WITH(OutOfMemoryError, false, "The pretend device has no addresses left for ", bytes, " bytes");
  }

  void give_back(Address address) {
    std::lock_guard const lock(mutex_);
    used_.erase(address);
  }

  /// The place in the host's memory; nullptr where nothing lies at this address.
  void* numbers_at(Address address) {
    std::lock_guard const lock(mutex_);
    auto const next = used_.upper_bound(address);
    if (next == used_.begin()) return nullptr;
    auto const& [begin, piece] = *std::prev(next);
    return address - begin < piece.bytes ? static_cast<char*>(piece.numbers) + (address - begin) : nullptr;
  }

 private:
  struct Piece {
    std::size_t bytes;
    void* numbers;
  };

  std::mutex mutex_;
  std::map<Address, Piece> used_;
  Address next_ = 0;
};

Addresses& addresses_of(c10::DeviceIndex device) {
  static auto* const all = new std::array<Addresses, most_pretend_devices>;  // never destroyed: tensors may be static
  return (*all)[static_cast<std::size_t>(device)];
}

/// What is behind a storage.
struct Block {
  Block(c10::Storage numbers, c10::DeviceIndex of) : host(std::move(numbers)), device(of), bytes(host.nbytes()) {
    auto& account = pretend_account(device);
    auto const limit = account.limit.load(), in_use = account.in_use.fetch_add(bytes) + bytes;
    if (limit != 0 && in_use > limit) {
      account.in_use -= bytes;
      TORCH_CHECK_WITH(OutOfMemoryError, false, "pretend:", int{device}, " out of memory. Tried to allocate ", bytes, " bytes; ",
                       in_use - bytes, " of ", limit, " are in use.");
    }
    for (auto peak = account.peak.load(); in_use > peak && !account.peak.compare_exchange_weak(peak, in_use);) {
    }
    address = addresses_of(device).take(device, std::max((bytes + step - 1) / step, std::size_t{1}) * step, host.mutable_data());
  }
  Block(Block const&) = delete;
  Block& operator=(Block const&) = delete;
  ~Block() {
    addresses_of(device).give_back(address);
    pretend_account(device).in_use -= bytes;
  }

  c10::Storage host;
  c10::DeviceIndex device;
  std::size_t bytes;
  Address address = 0;
};

c10::DataPtr data_of(c10::Storage host, c10::DeviceIndex device) {
  auto* const block = new Block(std::move(host), device);
  return {reinterpret_cast<void*>(block->address), block, [](void* context) { delete static_cast<Block*>(context); },
          c10::Device(c10::kPrivateUse1, device)};
}

Block const& block_of(c10::Storage const& storage) {
  auto const* const block = static_cast<Block const*>(storage.data_ptr().get_context());
  TORCH_CHECK(block != nullptr, "a storage of the pretend device without memory");
  return *block;
}

class PretendAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    auto const device = c10::impl::VirtualGuardImpl(c10::kPrivateUse1).getDevice();
    auto* const allocator = c10::GetCPUAllocator();
    c10::Storage host(c10::Storage::use_byte_size_t(), bytes, allocator->allocate(bytes), allocator, /*resizable=*/true);
    if (bytes > 0) std::memset(host.mutable_data(), poison, bytes);
    return data_of(std::move(host), device.index());
  }
  void copy_data(void*, void const*, std::size_t) const override {
    TORCH_CHECK(false, "memory of the pretend device is copied by operators only");
  }
};

PretendAllocator allocator_of_devices;

void say(std::string_view text) {
  // Nothing better is left to do where stderr is closed.
  [[maybe_unused]] auto const written = write(STDERR_FILENO, text.data(), text.size());
}

/// A signal handler: it may only write.
void answer_host(int signal, siginfo_t* info, void* context) {
  auto const address = reinterpret_cast<Address>(info->si_addr);
  if (address >= all_ranges && address < all_ranges + most_pretend_devices * range_size) {
    bool wrote = false;
#if defined(__x86_64__)
    wrote = (static_cast<ucontext_t const*>(context)->uc_mcontext.gregs[REG_ERR] & 2) != 0;
#else
    static_cast<void>(context);
#endif
    char const index[] = {static_cast<char>('0' + (address - all_ranges) / range_size), '\0'};
    say("internal error: the host ");
    say(wrote ? "wrote" : "read");
    say(" memory of the pretend device outside of an operator: that of pretend:");
    say(index);
    say(". Copy the tensor to the CPU first.\n");
  }
  sigaction(signal, &answer_before, nullptr);
  if (info->si_code <= 0) raise(signal);  // it was sent; a fault comes again when this returns
}

}  // namespace

PretendAccount& pretend_account(c10::DeviceIndex device) {
  return accounts[static_cast<std::size_t>(device)];
}

void install_pretend_memory() {
  void* const range =
      mmap(nullptr, most_pretend_devices * range_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  TORCH_CHECK(range != MAP_FAILED, "no addresses for the pretend device: ", std::strerror(errno));
  all_ranges = reinterpret_cast<Address>(range);
  struct sigaction answer = {};
  answer.sa_sigaction = answer_host;
  answer.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &answer, &answer_before);
  c10::SetAllocator(c10::kPrivateUse1, &allocator_of_devices);
}

c10::Storage pretend_storage(c10::Storage host, c10::DeviceIndex device) {
  auto const bytes = host.nbytes();
  return {c10::Storage::use_byte_size_t(), bytes, data_of(std::move(host), device), &allocator_of_devices, /*resizable=*/true};
}

c10::Storage host_storage(c10::Storage const& storage) {
  return block_of(storage).host;
}

void* host_address(void* address) {
  auto const place = reinterpret_cast<Address>(address) - all_ranges;
  if (all_ranges == 0 || place >= most_pretend_devices * range_size) return address;
  return addresses_of(static_cast<c10::DeviceIndex>(place / range_size)).numbers_at(reinterpret_cast<Address>(address));
}

void follow_host_storage(c10::Storage const& storage) {
  auto const& block = block_of(storage);
  auto const bytes = block.host.nbytes();
  if (bytes == storage.nbytes()) return;
  storage.set_data_ptr_noswap(data_of(block.host, block.device));
  storage.set_nbytes(bytes);
}

}  // namespace onemask::test
