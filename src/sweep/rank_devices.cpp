#include "sweep/rank_devices.hpp"

#include <onemask/compute/computing.hpp>
#include <onemask/core/cores.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/json_line.hpp>
#include <onemask/core/log.hpp>
#include <onemask/core/text.hpp>
#include <onemask/gpu/gpus.hpp>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

std::string to_line(RankDevice const& rank) {
  return json_line({rank.host, rank.failure, rank.is_bad_input, rank.device, rank.id, rank.near_cores});
}

RankDevice read_rank_device(std::string const& line) {
  auto const entry = nlohmann::json::parse(line);
  return {entry.at(0), entry.at(1), entry.at(2), entry.at(3), entry.at(4), entry.at(5)};
}

std::set<int> common(std::set<int> const& a, std::set<int> const& b) {
  std::set<int> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::inserter(both, both.begin()));
  return both;
}

/// Tells the log which GPU, and where the rank stays.
void tell(RankDevice const& own, Gpu const& gpu, std::set<int> const& kept) {
  log_info(fmt::format("This rank computes on {}{} of {}, {}.", own.device, gpu.name.empty() ? "" : " (" + gpu.name + ")",
                       own.host,
                       kept.empty() ? "and may use the cores that it was started on" : "on its cores " + to_core_list(kept)));
}

}  // namespace

void expect_devices(std::vector<RankDevice> const& ranks) {
  std::set<std::string> hosts;
  std::size_t failed = 0;
  RankDevice const* first = nullptr;
  for (auto const& rank : ranks) {
    if (rank.failure.empty()) continue;
    if (failed++ == 0) first = &rank;
    hosts.insert(rank.host);
  }
  if (first == nullptr) return;
  auto sentence = first->failure;
  if (failed < ranks.size()) {
    sentence = fmt::format(
        "On {}: {} {} of {} have their device. Run the same command again when the others have theirs, or without "
        "{}; finished work is kept.",
        join(hosts, ", "), first->failure, ranks.size() - failed, counted(ranks.size(), "rank"),
        hosts.size() == 1 ? "this host" : "these hosts");
  }
  if (first->is_bad_input) throw UserError(sentence);
  throw RunError(sentence);
}

std::string sharing_warning(std::vector<RankDevice> const& ranks) {
  struct Host {
    std::size_t ranks = 0;
    std::set<std::string> devices = {};
  };
  std::map<std::string, Host> hosts;
  for (auto const& rank : ranks) {
    if (rank.device.empty()) continue;
    ++hosts[rank.host].ranks;
    hosts[rank.host].devices.insert(rank.id);
  }
  std::erase_if(hosts, [](auto const& host) { return host.second.ranks == host.second.devices.size(); });
  if (hosts.empty()) return "";
  auto const list = join(hosts, "; ", [](auto const& host) {
    return fmt::format("{}: {} on {}", host.first, counted(host.second.ranks, "rank"),
                       counted(host.second.devices.size(), "device"));
  });
  return "Ranks share devices (" + list +
         "). They slow each other down, share memory, and sum gradients without NCCL. Start as many ranks on a host as it has "
         "GPUs; "
         "if one is missing there, check it with nvidia-smi.";
}

std::set<int> cores_beside(std::vector<RankDevice> const& ranks, std::size_t rank, int threads) {
  auto const& own = ranks.at(rank);
  auto const competing = std::count_if(ranks.begin(), ranks.end(), [&](RankDevice const& other) {
    return other.host == own.host && !common(other.near_cores, own.near_cores).empty();
  });
  bool const enough = std::ssize(own.near_cores) >= competing * threads;
  return enough ? own.near_cores : std::set<int>();
}

Placement place_rank(Environment const& environment, ModelOptions const& model, Tasks tasks) {
  auto const world = environment.world();
  RankDevice own{.host = host_name()};
  std::optional<Placement> placement;
  Gpu gpu;
  try {
    auto const place = tasks == Tasks::done_here ? parse_placement : parse_placement_without_work;
    placement = place(model.device, model.dtype, environment.local_rank());
    if (!placement->device.is_cpu()) gpu = describe_gpu(placement->device);
    if (!placement->device.is_cpu()) own.device = placement->device.str();
    own.id = !gpu.uuid.empty() ? gpu.uuid : !gpu.bus_id.empty() ? gpu.bus_id : own.device;
    if (!gpu.bus_id.empty()) own.near_cores = common(cores_near(gpu.bus_id), usable_cores());
  } catch (std::exception const& error) {
    own.failure = error.what();
    own.is_bad_input = dynamic_cast<UserError const*>(&error) != nullptr;
  }
  std::vector<RankDevice> ranks;
  for (auto const& line : world.all_gather(to_line(own))) ranks.push_back(read_rank_device(line));
  expect_devices(ranks);
  if (tasks == Tasks::done_here) {
    expect_one_execution(world, execution_of(placement->device.type(), model.dtype, model.products, model.threads));
  }
  if (auto const warning = sharing_warning(ranks); !warning.empty() && world.rank() == 0) log_warning(warning);
  if (own.device.empty()) return *placement;
  auto const cores = cores_beside(ranks, static_cast<std::size_t>(world.rank()), model.threads);
  tell(own, gpu, !cores.empty() && use_only(cores) ? cores : std::set<int>());
  return *placement;
}

}  // namespace onemask
