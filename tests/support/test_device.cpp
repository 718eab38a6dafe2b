#include "support/test_device.hpp"

#include "support/pretend_device.hpp"

#include <cstdlib>
#include <string>

namespace onemask::test {

c10::Device test_device() {
  static auto const device = [] {
    auto const* const name = std::getenv("ONEMASK_TEST_DEVICE");
    if (name == nullptr) return c10::Device(c10::kCPU);
    install_pretend_devices();
    return c10::Device(std::string(name));
  }();
  return device;
}

}  // namespace onemask::test
