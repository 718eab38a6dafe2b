#include <onemask/comm/environment.hpp>
#include <onemask/comm/machine.hpp>
#include <onemask/compute/computing.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/text.hpp>
#include <onemask/gpu/gpus.hpp>

#include <algorithm>
#include <fstream>
#include <set>
#include <sys/utsname.h>

#include <ATen/Version.h>
#include <fmt/core.h>

namespace onemask {

namespace {

/// Of the first processor.
std::map<std::string, std::string> fields_of(std::filesystem::path const& cpuinfo) {
  std::map<std::string, std::string> fields;
  std::ifstream in(cpuinfo);
  for (std::string line; std::getline(in, line) && !line.empty();) {
    auto const colon = line.find(": ");
    if (colon != std::string::npos) fields[line.substr(0, line.find_first_of("\t:"))] = line.substr(colon + 2);
  }
  return fields;
}

std::string architecture() {
  utsname names{};
  return uname(&names) == 0 ? names.machine : "unknown";
}

/// What the loaded LibTorch was built with, as it says itself: the headers that onemask was built with may be of another.
std::string setting_of_libtorch(std::string const& name) {
  auto const settings = at::show_config();
  auto const place = settings.find(" " + name + "=");
  if (place == std::string::npos) return "none";
  auto const begin = place + name.size() + 2;
  return settings.substr(begin, settings.find(',', begin) - begin);
}

}  // namespace

std::string processor_name(std::filesystem::path const& cpuinfo) {
  auto const fields = fields_of(cpuinfo);
  auto const model = fields.find("model name");
  std::string numbers;
  for (auto const& [field, word] :
       {std::pair{"cpu family", "family "}, {"model", "model "}, {"CPU implementer", "implementer "}, {"CPU part", "part "}}) {
    auto const found = fields.find(field);
    if (found != fields.end()) numbers += (numbers.empty() ? "" : ", ") + (word + found->second);
  }
  return (model != fields.end() ? model->second : architecture()) + (numbers.empty() ? "" : " (" + numbers + ")");
}

std::string kind_of_numbers(c10::Device device) {
  auto const libtorch = "LibTorch " + setting_of_libtorch("TORCH_VERSION");
  auto const processor = processor_name() + ", " + at::get_cpu_capability();
  if (device.is_cpu()) return libtorch + " on " + processor;
  if (!device.is_cuda()) return libtorch + " on " + c10::DeviceTypeName(device.type(), true) + " of " + processor;
  auto const gpu = describe_gpu(device).name;
  return libtorch + ", CUDA " + setting_of_libtorch("CUDA_VERSION") + " on " + (gpu.empty() ? "a GPU" : gpu);
}

std::string joined_kinds(std::vector<std::string> const& lists) {
  std::set<std::string> kinds;
  for (auto const& list : lists) {
    for (auto& kind : split_text(list, '\n')) {
      if (!kind.empty()) kinds.insert(std::move(kind));
    }
  }
  return join(kinds, "\n");
}

std::string joined_kinds(Communicator const& group, std::string const& own) {
  return joined_kinds(group.all_gather(own));
}

void expect_one_execution(Communicator const& comm, std::string const& own) {
  struct Group {
    std::size_t ranks = 0;
    std::set<std::string> hosts = {};
  };
  std::map<std::string, Group> executions;
  for (auto const& line : comm.all_gather(own + "\n" + host_name())) {
    auto const end = line.find('\n');
    auto& group = executions[line.substr(0, end)];
    ++group.ranks;
    group.hosts.insert(line.substr(end + 1));
  }
  if (executions.size() == 1) return;
  auto const list = join(executions, ", ", [](auto const& group) {
    return fmt::format("{} on '{}' ({})", counted(group.second.ranks, "rank"), group.first, join(group.second.hosts, ", "));
  });
  throw UserError(
      "Ranks would compute in different ways (device, dtype, products, threads): " + list +
      ". The last digits of results depend on the way, so a run has one. Give all ranks the same settings, and request "
      "GPUs on every host, or choose --device cpu. Hosts without GPUs can do a run of their own, with --device cpu and "
      "another folder.");
}

std::map<std::string, std::string> runtime_info(c10::DeviceType device) {
  auto const nccl = nccl_version(device);
  return {{"libtorch", setting_of_libtorch("TORCH_VERSION")},
          {"mpi", message_passing().library},
          {"nccl", nccl.empty() ? "none" : nccl},
          {"cuda", setting_of_libtorch("CUDA_VERSION")},
          {"processor", processor_name()},
          {"instruction_set", at::get_cpu_capability()}};
}

}  // namespace onemask
