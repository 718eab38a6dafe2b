#include "support/test_device.hpp"

#include "support/pretend_device.hpp"
#include <onemask/gpu/gpus.hpp>
#include <onemask/model/device.hpp>

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace onemask::test {

c10::Device test_device() {
  static auto const device = [] {
    auto const* const name = std::getenv("ONEMASK_TEST_DEVICE");
    if (name == nullptr) return c10::Device(c10::kCPU);
    if (std::string(name).starts_with("pretend")) install_pretend_devices();
    return parse_placement(name, "float32", 0).device;
  }();
  return device;
}

c10::ScalarType test_dtype() {
  static auto const dtype = [] {
    auto const* const variable = std::getenv("ONEMASK_TEST_DTYPE");
    std::string const name = variable == nullptr ? "float32" : variable;
    if (name == "float32") return c10::kFloat;
    if (name == "bfloat16") return c10::kBFloat16;
    if (name == "float16") return c10::kHalf;
    throw std::invalid_argument("ONEMASK_TEST_DTYPE is '" + name + "', but must be float32, bfloat16 or float16.");
  }();
  return dtype;
}

std::optional<c10::Device> test_accelerator() {
  if (!test_device().is_cpu()) return test_device();
  if (visible_gpus() == 0) return {};
  return c10::Device(c10::kCUDA, 0);
}

}  // namespace onemask::test
