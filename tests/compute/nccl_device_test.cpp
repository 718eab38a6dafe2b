#include "gpu/module/nccl_library.hpp"
#include "support/host_stream.hpp"
#include "support/pretend_device.hpp"
#include "support/time_limit.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

void until(std::function<bool()> const& through) {
  while (!through()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

/// What a group says whose calls are made in a thread that has chosen no device, as every thread begins; empty where it works.
std::string failure_in_new_thread(NcclLibrary const& library, c10::Device device) {
  std::string failure;
  std::thread([&] {
    try {
      auto const group = library.join(library.new_group(), 0, 1, device);
      until([&] { return group->ready(); });
      auto const values = at::arange(1000, at::kLong);
      group->sum(values);
      until([&] { return group->ready() && group->complete(); });
      group->leave();
      until([&] { return group->ready(); });
      EXPECT_TRUE(values.equal(at::arange(1000, at::kLong)));
    } catch (NcclError const& error) {
      failure = error.what();
    }
  }).join();
  return failure;
}

TEST(NcclDevice, EveryCallIsMadeOnTheDeviceOfItsGroup) {
  test::install_pretend_devices(3);
  NcclLibrary const library([](c10::Device) -> std::unique_ptr<DeviceStream> { return std::make_unique<test::HostStream>(); });
  test::TimeLimit const limit("the use of NCCL by new threads");
  for (int index : {1, 0, 2}) EXPECT_EQ(failure_in_new_thread(library, test::pretend_device(index)), "") << "on device " << index;
}

}  // namespace
}  // namespace onemask
