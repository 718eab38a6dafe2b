#include "doctor/slurm_job.hpp"
#include "doctor/sum_trial.hpp"
#include <onemask/comm/machine.hpp>
#include <onemask/core/build_info.hpp>
#include <onemask/core/cores.hpp>
#include <onemask/core/text.hpp>
#include <onemask/doctor/doctor.hpp>
#include <onemask/gpu/gpus.hpp>
#include <onemask/model/device.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <limits>

#include <fmt/core.h>

namespace onemask {
namespace {

Finding lost_rank_finding(MessagePassing const& messages) {
  if (messages.survives_failure) return {Verdict::ok, "lost ranks", "the others continue (ULFM)"};
  std::string const consequence = "a lost rank ends the run; the same command continues it";
  if (!messages.survivable) return {Verdict::ok, "lost ranks", consequence + ". This MPI library has no ULFM."};
  return {Verdict::ok, "lost ranks", consequence + ". With 'mpirun --with-ft ulfm' the other ranks continue."};
}

Findings program_findings() {
  auto const info = build_info();
  auto const messages = message_passing();
  Findings findings{{Verdict::ok, "onemask", version() + ", revision " + info.at("revision") + ", " + info.at("build_type")},
                    {Verdict::ok, "LibTorch", info.at("libtorch")}};
  if (messages.started) {
    findings.push_back({Verdict::ok, "MPI", messages.library + ", " + messages.threads});
    findings.push_back(lost_rank_finding(messages));
  } else {
    findings.push_back({Verdict::ok, "MPI", messages.library + ", not started: one process without a launcher"});
  }
  return findings;
}

/// How far this clock is ahead of rank 0's [s]: the smallest difference after a few barriers, which ranks leave at slightly
/// different times.
double clock_ahead(Communicator const& world) {
  auto least = std::numeric_limits<double>::infinity();
  for (int round = 0; round < 5; ++round) {
    world.barrier();
    auto const now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    auto const ahead = now - std::stod(world.broadcast(std::to_string(now), 0));
    if (std::abs(ahead) < std::abs(least)) least = ahead;
  }
  return least;
}

/// The report of rank 0 on what all ranks know of themselves.
void judge(Examination& examination, std::string const& subject, RankFacts const& own,
           Findings (*verdicts)(std::vector<RankFacts> const&)) {
  auto const bytes = examination.world().gather(to_bytes(own), 0);
  examination.each_rank(subject, examination.is_root(), [&] {
    std::vector<RankFacts> ranks;
    std::transform(bytes.begin(), bytes.end(), std::back_inserter(ranks), rank_facts_from);
    return verdicts(ranks);
  });
}

/// Of GPUs on `device`.
Findings sum_findings(SumTrial const& trial, c10::Device device) {
  bool const by_nccl = trial.transport == "NCCL";
  Finding finding{
      device.is_cpu() || by_nccl ? Verdict::ok : Verdict::warning, "sums",
      fmt::format("over all ranks are correct: {} through {} in {} ({}/s), a number through MPI in {}. {} is used, as {}",
                  format_bytes(trial.bytes), trial.transport, short_time(trial.seconds),
                  format_bytes(trial.bytes / trial.seconds), short_time(trial.latency),
                  trial.transport + (by_nccl ? " " + nccl_version(device.type()) : ""), trial.reason)};
  if (finding.verdict != Verdict::ok) {
    finding.text += ". NCCL is faster on GPUs. It needs a GPU for every rank and a build with NCCL; NCCL_DEBUG=INFO says more.";
  }
  return {finding};
}

}  // namespace

void examine_program(Examination& examination) {
  examination.begin("program");
  examination.each_rank("program", examination.is_root(), program_findings);
}

void examine_slurm_job(Examination& examination) {
  auto const most = static_cast<int>(examination.world().all_reduce_max(examination.environment().local_size()));
  auto const variable = [](std::string const& name) {
    auto const* const value = std::getenv(name.c_str());
    return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
  };
  if (examination.world().all_reduce_max(examination.is_root() && variable("SLURM_JOB_ID")) == 0) return;
  examination.begin("SLURM job");
  examination.each_rank("job", examination.is_root(),
                        [&] { return judge_slurm_job(variable, std::time(nullptr), examination.world().size(), most); });
}

void examine_machine(Examination& examination, ModelOptions const& model) {
  RankFacts own;
  examination.begin("ranks");
  examination.each_rank("host", true, [&] {
    own = own_host_facts();
    own.threads = model.threads;
    set_threads(model.threads);
    set_product_precision(model.products);
    return Findings{};
  });
  auto placement = parse_placement("cpu", "float32", 0);
  bool usable = examination.each_rank("device", true, [&] {
    placement = parse_placement(model.device, model.dtype, examination.environment().local_rank());
    own.visible_gpus = visible_devices(placement.device.type());
    if (!placement.device.is_cpu()) {
      auto const gpu = describe_gpu(placement.device);
      own.gpu = gpu.name;
      own.bus_id = gpu.bus_id;
      own.uuid = gpu.uuid;
      own.numa_node = numa_node_of(gpu.bus_id);
      auto const near = cores_near(gpu.bus_id);
      own.near_cores = static_cast<std::size_t>(
          std::count_if(own.cores.begin(), own.cores.end(), [&](int core) { return near.contains(core); }));
      own.gpu_memory = gpu.memory;
      own.gpu_free = gpu.free_memory;
    }
    own.device = placement.device.str();
    auto const unused = model.device == "auto" ? why_gpus_are_unused() : "";
    return unused.empty() ? Findings{} : Findings{{Verdict::warning, "device", "The GPUs of this host are not used: " + unused}};
  });
  own.clock = clock_ahead(examination.world());
  judge(examination, "hosts", own, judge_hosts);

  examination.begin("devices");
  usable = usable && examination.each_rank("products", true, [&] {
    own.rate = product_rate(placement.device);
    return Findings{};
  });
  judge(examination, "devices", own, judge_devices);
  auto const ranks = examination.world().size();
  auto const on_gpus = examination.world().all_reduce_sum(placement.device.is_cpu() ? 0 : 1);
  if (!usable || ranks == 1 || (on_gpus != 0 && on_gpus != ranks)) return;
  examination.together("sums", [&] {
    auto const trial = try_sums(examination.world(), placement.device);
    return examination.is_root() ? sum_findings(trial, placement.device) : Findings{};
  });
}

}  // namespace onemask
