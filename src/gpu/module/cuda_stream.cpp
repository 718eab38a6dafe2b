#include "gpu/module/cuda_stream.hpp"

#include <onemask/gpu/nccl.hpp>

#include <c10/core/Event.h>
#include <c10/cuda/CUDAStream.h>
#include <c10/util/Exception.h>

namespace onemask {

namespace {

/// What CUDA says of a failure, as what NCCL says.
template <class Action>
auto in_words(Action const& action) {
  try {
    return action();
  } catch (c10::Error const& error) {
    throw NcclError(error.what_without_backtrace());
  }
}

class CudaStream : public DeviceStream {
 public:
  explicit CudaStream(c10::Device device) : stream_(c10::cuda::getStreamFromPool(false, device.index())) {}

  void follow() override {
    in_words([this] {
      c10::Event given(c10::DeviceType::CUDA);
      given.record(c10::cuda::getCurrentCUDAStream(stream_.device_index()).unwrap());
      given.block(stream_.unwrap());
    });
  }

  bool idle() override {
    return in_words([this] { return stream_.query(); });
  }

  cudaStream_t handle() const override { return stream_.stream(); }

 private:
  c10::cuda::CUDAStream stream_;
};

}  // namespace

std::unique_ptr<DeviceStream> open_cuda_stream(c10::Device device) {
  return in_words([&]() -> std::unique_ptr<DeviceStream> { return std::make_unique<CudaStream>(device); });
}

}  // namespace onemask
