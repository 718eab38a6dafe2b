#pragma once

#include <onemask/doctor/findings.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace onemask {

/// Memory of this machine.
struct Memory {
  std::uint64_t size = 0;       ///< [bytes]
  std::uint64_t available = 0;  ///< without swapping, and within the limits of the control group [bytes]
};

/// What /proc and /sys under `root` say; zeros where they say nothing.
Memory memory_of(std::filesystem::path const& root = "/");

/// Cores that the control group's quota allows together; 0: it has none.
double core_quota(std::filesystem::path const& root = "/");

/// What a rank knows about itself.
struct RankFacts {
  std::string host;
  std::string program, library;  ///< build of onemask with the hash of its file; MPI library
  std::string processor;         ///< its model name
  std::vector<int> cores;        ///< those that the rank may run on
  double quota = 0;              ///< see core_quota
  int threads = 1;               ///< that it computes with
  Memory memory;
  double clock = 0;    ///< ahead of rank 0's [s]
  std::string device;  ///< "cpu", "cuda:0", "" where there is none
  int visible_gpus = 0;
  std::string gpu, bus_id, uuid;               ///< the rank's own
  int numa_node = -1;                          ///< of the GPU; -1: not known
  std::size_t near_cores = 0;                  ///< of `cores`, those next to the GPU
  std::uint64_t gpu_memory = 0, gpu_free = 0;  ///< [bytes]
  double rate = 0;                             ///< of matrix products [operations/s]; 0: not known
};

std::string to_bytes(RankFacts const& facts);
RankFacts rank_facts_from(std::string const& bytes);

/// Host, processor, cores and memory of this process; the rest is left to the caller.
RankFacts own_host_facts();

/// Hosts with their ranks, cores and memory; binding; whether all run the same program on the same kind of processor; clocks.
Findings judge_hosts(std::vector<RankFacts> const& ranks);
/// Devices, whether ranks share or miss some, and how fast they are.
Findings judge_devices(std::vector<RankFacts> const& ranks);

}  // namespace onemask
