#include "support/test_device.hpp"

#include "support/pretend_device.hpp"
#include <onemask/gpu/gpus.hpp>
#include <onemask/model/device.hpp>

#include <cstdlib>
#include <string_view>

namespace onemask::test {

c10::Device test_device() {
  static auto const device = [] {
    auto const* const name = std::getenv("ONEMASK_TEST_DEVICE");
    if (name == nullptr) return c10::Device(c10::kCPU);
    if (std::string_view(name).starts_with("pretend")) install_pretend_devices();
    return parse_placement(name, "float32", 0).device;
  }();
  return device;
}

std::optional<c10::Device> test_accelerator() {
  if (!test_device().is_cpu()) return test_device();
  if (visible_gpus() == 0) return {};
  return c10::Device(c10::kCUDA, 0);
}

}  // namespace onemask::test
