#include "doctor/rank_facts.hpp"
#include <onemask/core/text.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

using Ranks = std::vector<RankFacts>;

/// Ranks by what `key` gives for them; ranks without it ("") are left out.
std::map<std::string, std::vector<std::size_t>> grouped(Ranks const& ranks,
                                                        std::function<std::string(RankFacts const&)> const& key) {
  std::map<std::string, std::vector<std::size_t>> groups;
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    if (auto const name = key(ranks[r]); !name.empty()) groups[name].push_back(r);
  }
  return groups;
}

/// "version 1 (ranks 0-3), version 2 (rank 4)".
std::string listing(std::map<std::string, std::vector<std::size_t>> const& groups) {
  return join(groups, "; ", [](auto const& group) { return group.first + " (" + ranks_text(group.second) + ")"; });
}

/// Cores that the ranks of a host may use together.
std::size_t cores_of(Ranks const& ranks, std::vector<std::size_t> const& members) {
  std::set<int> cores;
  for (auto const r : members) {
    auto const& own = ranks[r].cores;
    cores.insert(own.begin(), own.end());
  }
  auto const quota = ranks[members.front()].quota;
  if (quota > 0) return std::min(cores.size(), static_cast<std::size_t>(std::ceil(quota)));
  return cores.size();
}

Finding host_finding(Ranks const& ranks, std::string const& host, std::vector<std::size_t> const& members) {
  auto const& first = ranks[members.front()];
  std::size_t threads = 0;
  std::set<std::string> devices;
  for (auto const r : members) {
    auto const& rank = ranks[r];
    threads += static_cast<std::size_t>(std::max(rank.threads, 0));
    devices.insert(rank.device.empty() ? "no device" : rank.device);
  }
  auto const device_list = join(devices, ", ");
  auto const cores = cores_of(ranks, members);
  Finding finding{Verdict::ok, host,
                  ranks_text(members) + ": " + counted(threads, "thread") + " on " + counted(cores, "core") + ", " +
                      format_bytes(static_cast<double>(first.memory.available)) + " of " +
                      format_bytes(static_cast<double>(first.memory.size)) + " of memory free, " + device_list};
  if (cores > 0 && threads > cores) {
    finding.verdict = Verdict::warning;
    finding.text +=
        ". The ranks have more threads than cores and slow each other down: start fewer ranks, lower model.threads, or, if the "
        "launcher binds ranks, use mpirun --bind-to none.";
  }
  return finding;
}

/// Ranks that may not use as many cores as they have threads, though their host may have enough.
Findings binding_findings(Ranks const& ranks) {
  std::vector<std::size_t> narrow;
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    auto const cores = static_cast<int>(ranks[r].cores.size());
    if (cores > 0 && cores < ranks[r].threads) narrow.push_back(r);
  }
  if (narrow.empty()) return {{Verdict::ok, "binding", "every rank may use as many cores as it has threads"}};
  auto const& one = ranks[narrow.front()];
  return {{Verdict::warning, "binding",
           fmt::format("{}: bound to fewer cores than threads (rank {}: {}, {} threads). "
                       "Start with mpirun --bind-to none, or --map-by slot:PE={}.",
                       ranks_text(narrow), narrow.front(), counted(one.cores.size(), "core"), one.threads, one.threads)}};
}

Findings program_findings(Ranks const& ranks) {
  auto const programs = grouped(ranks, [](auto const& rank) { return rank.program + ", " + rank.library; });
  if (programs.size() == 1) return {{Verdict::ok, "same program", "on every rank"}};
  return {{Verdict::problem, "same program",
           "Ranks run different builds: " + listing(programs) + ". Start one program that all hosts see under the same path."}};
}

Findings processor_findings(Ranks const& ranks) {
  auto const processors = grouped(ranks, [](auto const& rank) { return rank.processor; });
  if (processors.size() <= 1) return {{Verdict::ok, "processors", processors.empty() ? "unknown" : processors.begin()->first}};
  return {
      {Verdict::warning, "processors",
       listing(processors) + ". The last bits of results depend on the CPU model; request nodes of one kind if bits matter."}};
}

Findings clock_findings(Ranks const& ranks) {
  if (grouped(ranks, [](auto const& rank) { return rank.host; }).size() < 2) return {};
  constexpr double most = 1;  // [s]; logs and locks are read by people
  double spread = 0;
  std::size_t farthest = 0;
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    if (std::abs(ranks[r].clock) <= spread) continue;
    spread = std::abs(ranks[r].clock);
    farthest = r;
  }
  if (spread <= most) return {{Verdict::ok, "clocks", "of all hosts agree within " + format_duration(spread)}};
  return {{Verdict::warning, "clocks",
           fmt::format("The clock of rank {} on {} is {} off that of rank 0, so times in logs and journals mislead. "
                       "Synchronise the clocks (NTP).",
                       farthest, ranks[farthest].host, format_duration(spread))}};
}

bool on_gpu(RankFacts const& rank) {
  return !rank.device.empty() && rank.device != "cpu";
}

/// The device as the other ranks can know it; empty where it cannot be told.
std::string place_of(RankFacts const& rank) {
  if (!on_gpu(rank) || rank.bus_id.empty()) return "";
  return rank.uuid.empty() ? rank.host + " " + rank.bus_id : rank.uuid;
}

/// "cuda:0 at 0000:17:00.0 (NUMA node 0)".
std::string gpu_text(RankFacts const& rank) {
  auto const numa = rank.numa_node < 0 ? "" : fmt::format(" (NUMA node {})", rank.numa_node);
  return rank.device + (rank.bus_id.empty() ? "" : " at " + rank.bus_id) + numa;
}

/// Which rank has which GPU; hosts with the same ones together.
Findings placement_findings(Ranks const& ranks) {
  std::vector<std::pair<std::string, std::vector<std::string>>> layouts;  // GPUs in the order of ranks; ranks of hosts
  for (auto const& [host, members] : grouped(ranks, [](auto const& rank) { return on_gpu(rank) ? rank.host : ""; })) {
    auto const gpus = join(members, ", ", [&](std::size_t r) { return gpu_text(ranks[r]); });
    auto const found = std::find_if(layouts.begin(), layouts.end(), [&](auto const& layout) { return layout.first == gpus; });
    auto& hosts = found != layouts.end() ? found->second : layouts.emplace_back(gpus, std::vector<std::string>{}).second;
    hosts.push_back(ranks_text(members) + " on " + host);
  }
  Findings findings;
  for (auto const& [gpus, hosts] : layouts) findings.push_back({Verdict::ok, "which GPU", join(hosts, "; ") + ": " + gpus});
  return findings;
}

/// Whether ranks may use the cores next to their GPUs.
Findings numa_findings(Ranks const& ranks) {
  std::vector<std::size_t> far;
  bool known = false;
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    if (ranks[r].numa_node < 0) continue;
    known = true;
    if (ranks[r].near_cores == 0) far.push_back(r);
  }
  if (!known) return {};
  if (far.empty()) return {{Verdict::ok, "NUMA", "every rank may use cores next to its GPU"}};
  return {{Verdict::warning, "NUMA",
           fmt::format("{}: bound to cores of other NUMA nodes than that of the GPU, so copies take longer. Start with mpirun "
                       "--bind-to none: ranks then bind themselves.",
                       ranks_text(far))}};
}

Findings sharing_findings(Ranks const& ranks) {
  Findings findings;
  std::vector<std::size_t> sharing;
  for (auto const& [place, members] : grouped(ranks, place_of)) {
    if (members.size() > 1) sharing.insert(sharing.end(), members.begin(), members.end());
  }
  std::sort(sharing.begin(), sharing.end());
  if (!sharing.empty()) {
    findings.push_back({Verdict::warning, "GPU per rank",
                        ranks_text(sharing) + ": share a GPU and its memory with another rank, and slow each other down. Start "
                                              "as many ranks on a host as it has GPUs."});
  } else if (std::any_of(ranks.begin(), ranks.end(), [](auto const& rank) { return !place_of(rank).empty(); })) {
    findings.push_back({Verdict::ok, "GPU per rank", "every rank has a GPU of its own"});
  }
  for (auto const& [host, members] : grouped(ranks, [](auto const& rank) { return place_of(rank).empty() ? "" : rank.host; })) {
    std::set<std::string> used;
    int visible = 0;
    for (auto const r : members) {
      auto const& rank = ranks[r];
      used.insert(place_of(rank));
      visible = std::max(visible, rank.visible_gpus);
    }
    if (static_cast<std::size_t>(visible) <= used.size()) continue;
    findings.push_back({Verdict::warning, "idle GPUs",
                        fmt::format("{}: {} of {} are used. Start one rank for each.", host, used.size(),
                                    counted(static_cast<std::size_t>(visible), "GPU"))});
  }
  return findings;
}

/// Two significant digits and a unit.
std::string rate_text(double rate) {
  char text[32];
  auto const tera = rate >= 1e12;
  std::snprintf(text, sizeof text, "%.3g %s", rate / (tera ? 1e12 : 1e9), tera ? "TFLOP/s" : "GFLOP/s");
  return text;
}

Findings rate_findings(Ranks const& ranks) {
  std::vector<std::pair<double, std::size_t>> rates;
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    if (ranks[r].rate > 0) rates.emplace_back(ranks[r].rate, r);
  }
  if (rates.empty()) return {};
  std::sort(rates.begin(), rates.end());
  auto const slowest = rates.front(), fastest = rates.back();
  auto const middle = rates[rates.size() / 2].first;
  Finding finding{Verdict::ok, "products", "of matrices are correct, " + rate_text(slowest.first)};
  if (rates.size() > 1) finding.text += " to " + rate_text(fastest.first) + " a rank";
  if (slowest.first < 0.5 * middle) {
    finding.verdict = Verdict::warning;
    finding.text +=
        fmt::format(". Rank {} on {} is less than half as fast as most: check whether other programs run there, or leave it out.",
                    slowest.second, ranks[slowest.second].host);
  }
  return {finding};
}

Findings gpu_findings(Ranks const& ranks) {
  auto const kinds = grouped(ranks, [](auto const& rank) { return on_gpu(rank) ? rank.gpu : ""; });
  Findings findings;
  for (auto const& [kind, members] : kinds) {
    auto least = ranks[members.front()];
    for (auto const r : members) {
      auto const& rank = ranks[r];
      if (rank.gpu_free < least.gpu_free) least = rank;
    }
    Finding finding{Verdict::ok, "GPU",
                    kind + " (" + ranks_text(members) + "): at least " + format_bytes(static_cast<double>(least.gpu_free)) +
                        " of " + format_bytes(static_cast<double>(least.gpu_memory)) + " free"};
    if (2 * least.gpu_free < least.gpu_memory) {
      finding.verdict = Verdict::warning;
      finding.text += " on " + least.host + " " + least.bus_id + ". Another program uses it: check nvidia-smi.";
    }
    findings.push_back(finding);
  }
  if (kinds.size() > 1) {
    findings.push_back({Verdict::warning, "GPUs",
                        "Ranks have GPUs of different models, so the last bits of their results differ. Request nodes of one "
                        "kind if bits matter."});
  }
  return findings;
}

void append(Findings& all, Findings more) {
  for (auto& finding : more) all.push_back(std::move(finding));
}

}  // namespace

Findings judge_hosts(Ranks const& ranks) {
  Findings findings;
  for (auto const& [host, members] : grouped(ranks, [](auto const& rank) { return rank.host; }))
    findings.push_back(host_finding(ranks, host, members));
  append(findings, binding_findings(ranks));
  append(findings, program_findings(ranks));
  append(findings, processor_findings(ranks));
  append(findings, clock_findings(ranks));
  return findings;
}

Findings judge_devices(Ranks const& ranks) {
  Findings findings;
  auto const types = grouped(ranks, [](auto const& rank) { return rank.device.empty() ? "" : on_gpu(rank) ? "GPUs" : "CPUs"; });
  if (types.size() > 1) {
    findings.push_back({Verdict::problem, "devices",
                        "Ranks compute on different devices: " + listing(types) +
                            ". A run has one kind. Request GPUs on every host, or set model.device to cpu."});
  }
  append(findings, gpu_findings(ranks));
  append(findings, placement_findings(ranks));
  append(findings, numa_findings(ranks));
  append(findings, sharing_findings(ranks));
  append(findings, rate_findings(ranks));
  return findings;
}

}  // namespace onemask
