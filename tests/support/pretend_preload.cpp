#include "support/pretend_device.hpp"

namespace onemask::test {
namespace {

/// A program that is started with LD_PRELOAD of this library has the devices, and no code for them.
[[maybe_unused]] bool const installed = [] {
  install_pretend_devices();
  return true;
}();

}  // namespace
}  // namespace onemask::test
