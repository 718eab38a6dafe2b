#pragma once

#include "support/pretend_device.hpp"

#include <array>
#include <atomic>

#include <ATen/core/Tensor.h>
#include <c10/core/Storage.h>

namespace onemask::test {

inline constexpr int most_pretend_devices = 8;
inline constexpr int poison = 0xff;
inline constexpr std::size_t pretend_addresses = std::size_t{1} << 34;  // of one device [bytes]

/// The account of one device.
struct PretendAccount {
  std::atomic<std::int64_t> operators = 0, scalars = 0, copies_to_host = 0, copies_to_device = 0, waits = 0, sizes = 0;
  std::atomic<std::size_t> limit = 0, in_use = 0, peak = 0;
};
PretendAccount& pretend_account(c10::DeviceIndex device);

/// Reserves the addresses, and answers whoever reads them.
void install_pretend_memory();

/// A storage of the device whose numbers are those of `host`.
c10::Storage pretend_storage(c10::Storage host, c10::DeviceIndex device);
/// The numbers of a storage of a pretend device.
c10::Storage host_storage(c10::Storage const& storage);
/// Where the number at an address of a pretend device lies; another address as it is.
void* host_address(void* address);
/// After its numbers have grown: new addresses, more memory in use.
void follow_host_storage(c10::Storage const& storage);

}  // namespace onemask::test
