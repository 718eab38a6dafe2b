#pragma once

#include <onemask/comm/communicator.hpp>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <c10/core/Device.h>

namespace onemask {

/// Name and numbers of the machine's processor, e.g. "AMD EPYC (family 25, model 1)": virtual machines often tell but a part of
/// the name. `cpuinfo` is Linux's list of processors, of which the first speaks for all.
std::string processor_name(std::filesystem::path const& cpuinfo = "/proc/cpuinfo");

/// What decides the last bits of numbers that are computed on a device, besides a study's settings: "LibTorch 2.11.0 on AMD EPYC
/// (family 25, model 1), AVX2"; of a GPU "LibTorch 2.11.0, CUDA 13.0 on NVIDIA H200".
std::string kind_of_numbers(c10::Device device);

/// Several kinds, or lists of them, as one list: each once, a line each.
std::string joined_kinds(std::vector<std::string> const& lists);
/// Those of all ranks of a group. Collective.
std::string joined_kinds(Communicator const& group, std::string const& own);

/// Throws UserError, the same on every rank, where ranks compute in different ways (see execution_of), as with a GPU on some
/// hosts only. Collective.
void expect_one_execution(Communicator const& comm, std::string const& own);

/// Versions of what this process runs with on such devices, and its processor: libtorch, mpi, nccl, cuda, processor,
/// instruction_set (that LibTorch chooses for its kernels). "none" where there is none. Keys are stable; they go into result
/// files.
std::map<std::string, std::string> runtime_info(c10::DeviceType device);

}  // namespace onemask
