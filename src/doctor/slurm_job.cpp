#include "doctor/slurm_job.hpp"

#include <onemask/core/text.hpp>

#include <charconv>

#include <fmt/core.h>

namespace onemask {
namespace {

std::optional<long long> whole_number(std::optional<std::string> const& text) {
  long long number = 0;
  if (!text) return std::nullopt;
  auto const [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return number;
}

Finding time_finding(std::optional<long long> end, std::time_t now) {
  constexpr double short_time = 600;  // [s]
  if (!end) return {Verdict::ok, "time limit", "not known to the job"};
  auto const left = static_cast<double>(*end - static_cast<long long>(now));
  if (left <= 0) return {Verdict::warning, "time limit", "has passed; SLURM is about to end the job."};
  auto const text = format_duration(left) + " left";
  if (left >= short_time) return {Verdict::ok, "time limit", text};
  return {Verdict::warning, "time limit",
          text + ". launch/sweep.sbatch requeues a run that takes longer, and it continues; request more with --time."};
}

}  // namespace

Findings judge_slurm_job(std::function<std::optional<std::string>(std::string const&)> const& variable, std::time_t now,
                         int ranks, int most_on_a_host) {
  auto const id = variable("SLURM_JOB_ID");
  if (!id) return {};
  auto const said = [&](char const* name) { return variable(name).value_or("unknown"); };
  Findings findings;
  findings.push_back({Verdict::ok, "job",
                      *id + " on " + said("SLURM_JOB_NUM_NODES") + " node(s), " + said("SLURM_JOB_NODELIST") + ", restarted " +
                          variable("SLURM_RESTART_COUNT").value_or("0") + " times"});
  auto const tasks = whole_number(variable("SLURM_NTASKS"));
  Finding count{Verdict::ok, "tasks", fmt::format("{} of the job, {} ranks", said("SLURM_NTASKS"), ranks)};
  if (tasks && *tasks != ranks) {
    count.verdict = Verdict::warning;
    count.text += ". Start as many ranks as the job has tasks: mpirun -n $SLURM_NTASKS.";
  }
  findings.push_back(count);
  findings.push_back(time_finding(whole_number(variable("SLURM_JOB_END_TIME")), now));
  auto const per_task = variable("SLURM_GPUS_PER_TASK");
  auto const resources = variable("SLURM_TRES_PER_TASK").value_or("");
  bool const hidden = (per_task && *per_task != "0") || resources.find("gres/gpu") != std::string::npos;
  if (hidden && most_on_a_host > 1) {
    findings.push_back({Verdict::warning, "GPUs",
                        "The job requests GPUs per task, so the ranks of a host would see one rank's GPUs together. Request them "
                        "with --gpus-per-node and --gpu-bind=none."});
  } else if (auto const gpus = variable("SLURM_GPUS_ON_NODE")) {
    findings.push_back({Verdict::ok, "GPUs", *gpus + " on the first host"});
  }
  return findings;
}

}  // namespace onemask
