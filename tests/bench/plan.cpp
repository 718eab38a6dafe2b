// How long a plan of a million tasks takes, and how much memory.
//   bench_plan FOLDER [points 1000] [batches 1000] [facts of a batch 16]
// at the top of the project. FOLDER is made and filled with study.yaml, its facts, and objects of a tenth of its tasks, which is
// not timed, and stays; the whole of it is timed by
//   /usr/bin/time -v build/release/onemask plan FOLDER/study.yaml --out FOLDER/run --objects FOLDER/objects --ranks 64
#include "sweep/task_rates.hpp"
#include <onemask/core/file.hpp>
#include <onemask/plan/task_list.hpp>
#include <onemask/schedule/simulate.hpp>
#include <onemask/store/object_store.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>

#include <nlohmann/json.hpp>

namespace onemask {
namespace {

std::filesystem::path const model = "res/models/world-gpt2", hparams = "res/hparams/rome/world-gpt2.yaml";

nlohmann::json invented_fact(std::size_t number) {
  auto const subject = std::string("Subject ").append(std::to_string(number));
  return {{"case_id", number},
          {"requested_rewrite",
           {{"prompt", "The mother tongue of {} is"},
            {"relation_id", std::string("P").append(std::to_string(100 + number % 30))},
            {"subject", subject},
            {"target_true", {{"str", "French"}}},
            {"target_new", {{"str", "English"}}}}},
          {"paraphrase_prompts", {subject + " is a native speaker of", "At home, " + subject + " speaks"}}};
}

void write_study(std::filesystem::path const& folder, std::size_t points, std::size_t batches, std::size_t batch) {
  auto facts = nlohmann::json::array();
  for (std::size_t f = 0; f < batches * batch; ++f) facts.push_back(invented_fact(f));
  auto const half = facts.begin() + static_cast<std::ptrdiff_t>(facts.size() / 2);
  write_file_atomically(folder / "train.json", nlohmann::json(nlohmann::json::array_t(facts.begin(), half)).dump());
  write_file_atomically(folder / "heldout.json", nlohmann::json(nlohmann::json::array_t(half, facts.end())).dump());
  std::ostringstream text;
  text << "name: million\nmodel: {checkpoint: " << std::filesystem::absolute(model) << "}\nfacts:\n  train: {files: train.json}\n"
       << "  heldout: {files: heldout.json}\nedit: {hparams: " << std::filesystem::absolute(hparams)
       << "}\nevaluation: {batch: " << batch << "}\nsweep: {mask.seed: 0.." << points - 1 << "}\n";
  write_file_atomically(folder / "study.yaml", text.str());
}

/// Memory of this process [MB]: a line of /proc/self/status, VmRSS or VmHWM.
double memory(std::string const& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name)) return std::strtod(line.c_str() + name.size() + 1, nullptr) * 1024e-6;
  }
  return 0;
}

class Table {
 public:
  Table() : before_(memory("VmRSS")) {
    std::ofstream("/proc/self/clear_refs") << "5";  // the peak of what follows
    std::printf("| part | seconds | memory after MB | peak so far MB |\n| --- | --- | --- | --- |\n");
  }
  /// Does the work and prints how long it took; memory is beyond what the program took before.
  template <class Work>
  auto part(char const* name, Work const& work) {
    auto const start = std::chrono::steady_clock::now();
    auto result = work();
    std::printf("| %s | %.2f | %.0f | %.0f |\n", name,
                std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), memory("VmRSS") - before_,
                memory("VmHWM") - before_);
    std::fflush(stdout);
    return result;
  }

 private:
  double before_;
};

void run(std::filesystem::path const& folder, std::size_t points, std::size_t batches, std::size_t batch) {
  std::filesystem::create_directories(folder);
  write_study(folder, points, batches, batch);
  ObjectStore const objects(folder / "objects", false);
  auto const config = read_model_config(model);

  Table table;
  auto const study = table.part("read the study", [&] { return read_study(folder / "study.yaml"); });
  auto const plan = table.part("make the plan", [&] {
    std::vector<ContextTemplates> const templates(study.points.size(), {"{}"});
    return make_plan(study, {select_facts(study.facts, study.base), {}}, {"model", "tokenizer", "cpu"}, templates, {});
  });
  auto const tasks =
      table.part("list the tasks", [&] { return make_task_list(plan, study, task_rates({}, config, false), Stage::gather); });
  auto const done = table.part("look into the store", [&] {
    auto const keys = objects.keys();
    std::vector<bool> there(tasks.planned.size());
    for (std::size_t t = 0; t < there.size(); ++t) {
      auto const wanted = tasks.graph.is_join(t) ? std::vector<std::string>() : objects_of(plan, tasks.planned[t]);
      there[t] =
          !wanted.empty() && std::all_of(wanted.begin(), wanted.end(), [&](auto const& key) { return keys.contains(key); });
    }
    return there;
  });
  for (int ranks : {1, 64, 1024}) {
    auto const name = std::string("simulate on ").append(std::to_string(ranks));
    table.part(name.c_str(), [&] { return simulate(tasks.graph, done, ranks, 8); });
  }
  std::array<double, 3> load{};
  getloadavg(load.data(), 3);
  std::printf("\n%zu tasks, %td of them done; load %.1f\n", tasks.planned.size(), std::count(done.begin(), done.end(), true),
              load[0]);
  for (std::size_t t = 0; t < plan.evaluations.size() / 10; ++t) objects.put(plan.evaluations[t].key, "");
}

}  // namespace
}  // namespace onemask

int main(int count, char** arguments) {
  if (count < 2) {
    std::cerr << "bench_plan FOLDER [points] [batches] [facts of a batch]\n";
    return 2;
  }
  auto const number = [&](int place, std::size_t otherwise) { return count > place ? std::stoul(arguments[place]) : otherwise; };
  onemask::run(arguments[1], number(2, 1000), number(3, 1000), number(4, 16));
}
