#include "support/pretend_module.hpp"

#include "gpu/module/nccl_library.hpp"
#include "support/host_stream.hpp"
#include "support/pretend_device.hpp"
#include "support/pretend_memory.hpp"
#include "support/pretend_streams.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <unistd.h>

#include <fmt/core.h>

namespace onemask::test {
namespace {

std::string name_of_host() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

/// Where NCCL sums: a thread of the host.
class PretendNcclStream : public HostStream {
 public:
  explicit PretendNcclStream(c10::Device device) : device_(device) {}

  /// Operators are done already, but copies to the device may be late.
  void follow() override { catch_up(current_pretend_stream(device_.index()), LateFor::device); }

 private:
  c10::Device device_;
};

class PretendModule : public DeviceModule {
 public:
  std::string failure() const override { return {}; }
  Gpu describe(int index) const override {
    auto const memory = pretend_memory_of(pretend_device(index));
    auto const in_use = pretend_memory_in_use(pretend_device(index));
    return {.name = "pretend accelerator",
            .bus_id = fmt::format("ffff:{:02x}:00.0", index + 1),
            .uuid = fmt::format("PRETEND-{}-{}", name_of_host(), index),
            .memory = memory,
            .free_memory = memory - std::min(memory, in_use)};
  }

  Nccl const* nccl() const override { return &nccl_; }

 private:
  NcclLibrary nccl_{
      [](c10::Device device) -> std::unique_ptr<DeviceStream> { return std::make_unique<PretendNcclStream>(device); }};
};

}  // namespace
}  // namespace onemask::test

onemask::DeviceModule const* onemask_pretend_module() {
  static onemask::test::PretendModule const module;
  return &module;
}
