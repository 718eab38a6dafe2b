#include "gpu/module/nccl_library.hpp"

#include <cstring>
#include <utility>

#include <c10/core/DeviceGuard.h>
#include <fmt/core.h>
#include <nccl.h>

namespace onemask {

namespace {

void check_nccl(ncclResult_t result, ncclComm_t comm) {
  if (result == ncclSuccess || result == ncclInProgress) return;
  std::string const detail = ncclGetLastError(comm);
  throw NcclError(ncclGetErrorString(result) + (detail.empty() ? "" : " (" + detail + ")"));
}

int version_code() {
  int code = 0;
  check_nccl(ncclGetVersion(&code), nullptr);
  return code;
}

/// See NCCL_VERSION, whose form changed with 2.9.
std::string version_text(int code) {
  int const major = code < 10000 ? 1000 : 10000;
  return fmt::format("{}.{}.{}", code / major, code % major / 100, code % 100);
}

/// The library is given a configuration of the header's form, which an older one does not know.
void expect_version() {
  auto const code = version_code();
  if (code >= NCCL_VERSION_CODE) return;
  throw NcclError(fmt::format("NCCL {} is loaded, but this program was built with {} and needs that or a later one",
                              version_text(code), version_text(NCCL_VERSION_CODE)));
}

class NcclLibraryGroup : public NcclGroup {
 public:
  NcclLibraryGroup(std::string const& group, int rank, int ranks, c10::Device device, std::unique_ptr<DeviceStream> stream)
      : NcclLibraryGroup(device, std::move(stream)) {
    c10::DeviceGuard const guard(device_);
    ncclUniqueId id;
    if (group.size() != sizeof id) throw NcclError(fmt::format("a group's name has {} bytes, not {}", group.size(), sizeof id));
    std::memcpy(&id, group.data(), sizeof id);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    check_nccl(ncclCommInitRankConfig(&comm_, ranks, id, rank, &config), comm_);
  }

  ~NcclLibraryGroup() override {
    if (comm_ == nullptr) return;
    if (left_ && state() == ncclSuccess) {
      end(ncclCommDestroy);
    } else {
      end(ncclCommAbort);
    }
  }

  bool ready() override {
    auto const now = state();
    check_nccl(now, comm_);
    return now == ncclSuccess;
  }

  void sum(at::Tensor const& values) override {
    if (values.numel() == 0) return;
    c10::DeviceGuard const guard(device_);
    stream_->follow();
    auto* const data = values.data_ptr();
    // The order in which NCCL adds is its own affair, and that of its environment (NCCL_ALGO, NCCL_PROTO, …): it makes no
    // difference to integers.
    check_nccl(ncclAllReduce(data, data, static_cast<std::size_t>(values.numel()), ncclInt64, ncclSum, comm_, stream_->handle()),
               comm_);
  }

  bool complete() override { return stream_->idle(); }

  void leave() override {
    c10::DeviceGuard const guard(device_);
    check_nccl(ncclCommFinalize(comm_), comm_);
    left_ = true;
  }

  void abort() noexcept override {
    if (comm_ != nullptr) end(ncclCommAbort);
  }

 private:
  NcclLibraryGroup(c10::Device device, std::unique_ptr<DeviceStream> stream) : device_(device), stream_(std::move(stream)) {}

  ncclResult_t state() const {
    ncclResult_t state = ncclSuccess;
    auto const result = ncclCommGetAsyncError(comm_, &state);
    return result == ncclSuccess ? state : result;
  }

  /// Frees what NCCL has of this group.
  void end(ncclResult_t (*way)(ncclComm_t)) noexcept {
    c10::OptionalDeviceGuard guard;
    try {
      guard.reset_device(device_);
    } catch (...) {
      // the GPU itself has failed; the other ranks are to hear of it all the same
    }
    way(comm_);
    comm_ = nullptr;
  }

  c10::Device device_;
  std::unique_ptr<DeviceStream> stream_;
  ncclComm_t comm_ = nullptr;
  bool left_ = false;
};

}  // namespace

std::string NcclLibrary::version() const {
  return version_text(version_code());
}

std::string NcclLibrary::new_group() const {
  expect_version();
  ncclUniqueId id;
  check_nccl(ncclGetUniqueId(&id), nullptr);
  return {reinterpret_cast<char const*>(&id), sizeof id};
}

std::unique_ptr<NcclGroup> NcclLibrary::join(std::string const& group, int rank, int ranks, c10::Device device) const {
  expect_version();
  return std::make_unique<NcclLibraryGroup>(group, rank, ranks, device, open_stream_(device));
}

}  // namespace onemask
