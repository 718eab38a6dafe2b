#pragma once

#include "sweep/open_run.hpp"
#include <onemask/model/device.hpp>
#include <onemask/settings/model_options.hpp>

#include <set>
#include <string>
#include <vector>

namespace onemask {

/// What a rank tells the others of the device that it computes on.
struct RankDevice {
  std::string host;
  std::string failure = {};       ///< why it has none; the rest is empty then
  bool is_bad_input = false;      ///< the failure: a UserError, otherwise one of the machine
  std::string device = {};        ///< "cuda:1"; empty for the CPU
  std::string id = {};            ///< that no other device of the host has
  std::set<int> near_cores = {};  ///< that this rank may use and that are next to the device
};

/// Throws, the same on every rank, where a rank has no device: UserError or RunError, as it failed.
void expect_devices(std::vector<RankDevice> const& ranks);

/// A warning where ranks share a device; empty otherwise.
std::string sharing_warning(std::vector<RankDevice> const& ranks);

/// The cores that a rank is to keep to: those next to its device, if they are enough for the threads of all ranks that would keep
/// to some of them. Empty where it is to stay as it was started.
std::set<int> cores_beside(std::vector<RankDevice> const& ranks, std::size_t rank, int threads);

/// Chooses the device of this rank, and keeps the calling thread to the cores beside it. Collective: throws as expect_devices
/// and expect_one_execution.
Placement place_rank(Environment const& environment, ModelOptions const& model, Tasks tasks);

}  // namespace onemask
