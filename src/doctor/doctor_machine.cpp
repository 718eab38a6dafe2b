#include "doctor/slurm_job.hpp"
#include "doctor/sum_trial.hpp"
#include <onemask/comm/machine.hpp>
#include <onemask/core/build_info.hpp>
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
  if (visible_gpus() > 0 && !nccl_version(c10::kCUDA).empty()) {
    findings.push_back({Verdict::ok, "NCCL", nccl_version(c10::kCUDA)});
  }
  if (visible_gpus() > 0 && nccl_version(c10::kCUDA).empty()) {
    findings.push_back({Verdict::warning, "NCCL",
                        "This build has none, so sums over GPUs go through the memory of the hosts. To train masks on several "
                        "GPUs, build with NCCL."});
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

Findings sum_findings(SumTrial const& trial) {
  return {{Verdict::ok, "sums",
           "over all ranks are correct: " + format_bytes(trial.bytes) + " through " + trial.transport + " in " +
               short_time(trial.seconds) + ", a number through MPI in " + short_time(trial.latency)}};
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
    if (!placement.device.is_cpu()) {
      auto const gpu = describe_gpu(placement.device);
      own.gpu = gpu.name;
      own.bus_id = gpu.bus_id;
      own.gpu_memory = gpu.memory;
      own.gpu_free = gpu.free_memory;
    }
    own.device = placement.device.str();
    return Findings{};
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
    return examination.is_root() ? sum_findings(trial) : Findings{};
  });
}

}  // namespace onemask
