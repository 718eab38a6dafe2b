// What a study would be like on many ranks: its tasks in the scheduler's hands, with the times that gpt2-xl is thought to need.
//   bench_schedule STUDY.yaml FACTS [masks 64]
//   bench_schedule res/studies/paper_rome_gpt2-xl.yaml ../shared/counterfact
// at the top of the project. FACTS is the folder that has the study's facts. No checkpoint is needed: times are those that a
// plan guesses from the model's size on a GPU, and the same with masks, edits or evaluations slower than guessed.
#include "sweep/task_rates.hpp"
#include <onemask/core/text.hpp>
#include <onemask/plan/task_list.hpp>
#include <onemask/schedule/simulate.hpp>

#include <chrono>
#include <cstdio>
#include <iostream>

namespace onemask {
namespace {

ModelConfig gpt2_xl() {
  ModelConfig model{};
  model.family = "gpt2";
  model.layers = 48;
  model.hidden = 1600;
  model.heads = model.kv_heads = 25;
  model.head_dim = 64;
  model.inner = 6400;
  model.vocabulary = 50257;
  model.positions = 1024;
  return model;
}

struct Variant {
  char const* name;
  TaskKind kind;
  double factor;
};

void run(std::filesystem::path const& file, std::filesystem::path const& facts, std::size_t masks) {
  auto const files = [&](char const* pattern) { return (std::filesystem::absolute(facts) / pattern).string(); };
  StudyOverrides overrides;
  overrides.set = {"facts.train.files=" + files("counterfact_trainP*.json"),
                   "facts.heldout.files=" + files("counterfact_testP*.json"),
                   "facts.ood.files=" + files("counterfact_ood*.json")};
  overrides.sweep = {"mask.seed=0.." + std::to_string(masks - 1)};
  auto const study = read_study(file, overrides);
  auto const plan = make_plan(study, {select_facts(study.facts, study.base), {}}, {"model", "tokenizer", "cuda"},
                              std::vector<ContextTemplates>(study.points.size(), {"{}"}), {});
  std::printf("%s: %zu facts, %zu masks\n\n", study.name.c_str(), plan.facts.size(), plan.masks.size());
  std::printf(
      "| times | ranks | tasks | makespan | work / ranks | critical path | efficiency | ranks in tasks | simulated in s |\n");
  std::printf("| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
  for (auto const& [name, kind, factor] :
       {Variant{"as guessed", TaskKind::mask, 1}, Variant{"masks a tenth", TaskKind::mask, 0.1},
        Variant{"edits x 10", TaskKind::edit, 10}, Variant{"evaluations x 10", TaskKind::evaluation, 10}}) {
    auto rates = task_rates({}, gpt2_xl(), true);
    rates.seconds[static_cast<std::size_t>(kind)] *= factor;
    auto const tasks = make_task_list(plan, study, rates, Stage::gather);
    for (int ranks : {64, 256, 1024}) {
      auto const start = std::chrono::steady_clock::now();
      auto const result = simulate(tasks.graph, std::vector<bool>(tasks.planned.size()), ranks, 8);
      auto const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      std::printf("| %s | %d | %zu | %s | %s | %s | %.1f %% | %.1f %% | %.2f |\n", name, ranks, tasks.planned.size(),
                  format_duration(result.makespan).c_str(), format_duration(result.work / ranks).c_str(),
                  format_duration(result.critical_path).c_str(), 100 * result.efficiency(),
                  100 * result.busy / (result.makespan * ranks), seconds);
    }
  }
}

}  // namespace
}  // namespace onemask

int main(int count, char** arguments) {
  if (count < 3) {
    std::cerr << "bench_schedule STUDY.yaml FACTS [masks]\n";
    return 2;
  }
  onemask::run(arguments[1], arguments[2], count > 3 ? std::stoul(arguments[3]) : 64);
}
