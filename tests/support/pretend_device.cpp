#include "support/pretend_device.hpp"

#include "support/pretend_memory.hpp"
#include "support/pretend_operators.hpp"
#include "support/pretend_streams.hpp"

#include <cstdlib>
#include <mutex>
#include <string>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace onemask::test {
namespace {

c10::impl::VirtualGuardImpl guard_of_devices() {
  return {c10::kPrivateUse1};
}

/// What LibTorch asks an accelerator for. Pinned memory is any memory of the host.
struct PretendHooks : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return guard_of_devices().deviceCount(); }
  c10::DeviceIndex getCurrentDevice() const override { return guard_of_devices().getDevice().index(); }
  void setCurrentDevice(c10::DeviceIndex device) const override { guard_of_devices().setDevice(pretend_device(device)); }
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex device) const override {
    return guard_of_devices().exchangeDevice(pretend_device(device)).index();
  }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex device) const override {
    return device < 0 ? getCurrentDevice() : exchangeDevice(device);
  }
  c10::Allocator* getPinnedMemoryAllocator() const override { return c10::GetCPUAllocator(); }
  at::Generator const& getDefaultGenerator(c10::DeviceIndex) const override { return at::detail::getDefaultCPUGenerator(); }
};

long long number_of_environment(char const* name, long long otherwise) {
  auto const* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::stoll(text);
}

}  // namespace

void install_pretend_devices() {
  install_pretend_devices(static_cast<int>(number_of_environment("ONEMASK_PRETEND_DEVICES", 2)));
}

void install_pretend_devices(int count) {
  static std::once_flag once;
  std::call_once(once, [&] {
    TORCH_CHECK(count >= 0 && count <= most_pretend_devices, "There can be 0 to ", most_pretend_devices, " pretend devices, not ",
                count);
    c10::register_privateuse1_backend("pretend");
    install_pretend_memory();
    install_pretend_streams(count);
    install_pretend_operators();
    at::RegisterPrivateUse1HooksInterface(new PretendHooks);
    auto const bytes = static_cast<std::size_t>(number_of_environment("ONEMASK_PRETEND_MEMORY", 0));
    for (int device = 0; device < count; ++device) limit_pretend_memory(pretend_device(device), bytes);
  });
}

c10::Device pretend_device(int index) {
  return {c10::kPrivateUse1, static_cast<c10::DeviceIndex>(index)};
}

void limit_pretend_memory(c10::Device device, std::size_t bytes) {
  pretend_account(device.index()).limit = bytes;
}

std::size_t pretend_memory_of(c10::Device device) {
  auto const limit = pretend_account(device.index()).limit.load();
  return limit != 0 ? limit : pretend_addresses;
}

std::size_t pretend_memory_in_use(c10::Device device) {
  return pretend_account(device.index()).in_use;
}

std::size_t pretend_memory_peak(c10::Device device) {
  return pretend_account(device.index()).peak;
}

PretendCounts pretend_counts(c10::Device device) {
  auto const& account = pretend_account(device.index());
  return {account.operators, account.scalars, account.copies_to_host, account.copies_to_device, account.waits, account.sizes};
}

void reset_pretend_counts() {
  for (int device = 0; device < most_pretend_devices; ++device) {
    auto& account = pretend_account(static_cast<c10::DeviceIndex>(device));
    for (auto* const count : {&account.operators, &account.scalars, &account.copies_to_host, &account.copies_to_device,
                              &account.waits, &account.sizes})
      *count = 0;
    account.peak = account.in_use.load();
  }
}

}  // namespace onemask::test
