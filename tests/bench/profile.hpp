#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <c10/core/Device.h>
#include <nlohmann/json.hpp>
#include <torch/csrc/autograd/profiler_kineto.h>

namespace onemask {

/// Where the time of a piece of work went, by LibTorch's profiler. On a GPU `lines` are its kernels and copies, elsewhere, and
/// where the profiler may not look into the GPU, the operators of the host, with those that they call.
struct Profile {
  struct Line {
    std::int64_t calls = 0;
    double seconds = 0;
  };
  std::map<std::string, Line> lines;
  double seconds = 0;         ///< of the whole work, slowed down by the profiler
  double device_seconds = 0;  ///< in which the GPU did something
  double flops = 0;           ///< of matrix products
  std::int64_t launches = 0;  ///< of kernels
  std::int64_t waits = 0;     ///< of the host for the GPU

  /// What is left when a smaller piece of the same work is taken away.
  Profile operator-(Profile const& other) const {
    auto rest = *this;
    rest.seconds -= other.seconds;
    rest.device_seconds -= other.device_seconds;
    rest.flops -= other.flops;
    rest.launches -= other.launches;
    rest.waits -= other.waits;
    for (auto const& [name, line] : other.lines) {
      rest.lines[name].calls -= line.calls;
      rest.lines[name].seconds -= line.seconds;
    }
    return rest;
  }

  /// The mean of so many equal pieces.
  Profile operator/(int pieces) const {
    auto piece = *this;
    piece.seconds /= pieces;
    piece.device_seconds /= pieces;
    piece.flops /= pieces;
    piece.launches /= pieces;
    piece.waits /= pieces;
    for (auto& [name, line] : piece.lines) {
      line.calls /= pieces;
      line.seconds /= pieces;
    }
    return piece;
  }

  /// With the `most` lines that took longest.
  nlohmann::json json(std::size_t most) const {
    std::vector<std::pair<std::string, Line>> sorted(lines.begin(), lines.end());
    std::sort(sorted.begin(), sorted.end(), [](auto const& a, auto const& b) { return a.second.seconds > b.second.seconds; });
    auto rows = nlohmann::json::array();
    for (auto const& [name, line] : sorted) {
      if (rows.size() == most || line.calls <= 0) break;
      rows.push_back({{"name", name}, {"calls", line.calls}, {"seconds", line.seconds}});
    }
    return {{"seconds", seconds}, {"device_seconds", device_seconds}, {"flops", flops}, {"launches", launches}, {"waits", waits},
            {"lines", rows}};
  }
};

template <class Work>
Profile profile_of(c10::Device device, Work const& work) {
  using namespace torch::autograd::profiler;
  using torch::profiler::impl::ActivityType;
  // The shapes of inputs and FLOPs; neither memory, nor stacks, nor modules.
  torch::profiler::impl::ProfilerConfig const config(torch::profiler::impl::ProfilerState::KINETO, true, false, false, true,
                                                     false);
  std::set<ActivityType> activities{ActivityType::CPU};
  if (device.is_cuda()) activities.insert(ActivityType::CUDA);
  prepareProfiler(config, activities);
  enableProfiler(config, activities, {at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION});
  auto const start = std::chrono::steady_clock::now();
  work();
  Profile profile;
  profile.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  auto const result = disableProfiler();

  static std::set<std::string> const products{"aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm"};
  std::vector<std::pair<std::uint64_t, std::uint64_t>> busy;
  std::map<std::string, Profile::Line> operators;
  for (auto const& event : result->events()) {
    auto const name = event.name();
    if (products.contains(name)) profile.flops += static_cast<double>(event.flops());
    if (name.starts_with("cudaLaunchKernel") || name.starts_with("cuLaunchKernel")) ++profile.launches;
    if (name.starts_with("cudaStreamSynchronize") || name.starts_with("cudaEventSynchronize") ||
        name.starts_with("cudaDeviceSynchronize")) {
      ++profile.waits;
    }
    bool const of_device = event.deviceType() == c10::DeviceType::CUDA;
    if (of_device) busy.emplace_back(event.startNs(), event.endNs());
    auto& line = (of_device ? profile.lines : operators)[name];
    ++line.calls;
    line.seconds += 1e-9 * static_cast<double>(event.durationNs());
  }
  if (busy.empty()) profile.lines = operators;
  std::sort(busy.begin(), busy.end());
  std::uint64_t end = 0;
  for (auto const& [from, to] : busy) {
    if (to > end) profile.device_seconds += 1e-9 * static_cast<double>(to - std::max(from, end));
    end = std::max(end, to);
  }
  return profile;
}

}  // namespace onemask
