#pragma once

#include <filesystem>
#include <set>
#include <string>

namespace onemask {

/// Numbers as Linux writes them: "0-3,8" is 0, 1, 2, 3 and 8. Empty where the text is no such list.
std::set<int> read_core_list(std::string const& text);
std::string to_core_list(std::set<int> const& cores);

/// Cores that the calling thread may use.
std::set<int> usable_cores();

/// Cores next to a PCI device, those of its NUMA node; empty where Linux does not know. `bus_id` as CUDA writes it:
/// "0000:3B:00.0".
std::set<int> cores_near(std::string const& bus_id, std::filesystem::path const& root = "/");

/// The NUMA node of a PCI device; -1 where Linux does not know.
int numa_node_of(std::string const& bus_id, std::filesystem::path const& root = "/");

/// From now on the calling thread, and threads that it starts, use only these cores. False where that is not permitted.
bool use_only(std::set<int> const& cores);

}  // namespace onemask
