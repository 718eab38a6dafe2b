// Gathers a study of many rows and edits, and prints how long that takes and how much memory it needs.
//   bench_gather FOLDER [facts 100000] [sets 1] [masks 8]
// FOLDER is made, filled with the objects of facts * sets edits and of facts * sets * (2 + 4 * masks) * 3 rows, which is not
// timed, and stays for the next call with the same numbers. Objects lie in the page cache when there is room for them.
#include <onemask/core/hash.hpp>
#include <onemask/core/random.hpp>
#include <onemask/edit/edit.hpp>
#include <onemask/eval/metrics.hpp>
#include <onemask/gather/gather.hpp>
#include <onemask/mask/shared_mask.hpp>
#include <onemask/model/device.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <iostream>
#include <unistd.h>

namespace onemask {
namespace {

constexpr std::int64_t hidden = 256, inner = 1024;
constexpr std::size_t batch = 16;  // facts of an evaluation task
constexpr int prompts = 3;         // of a fact: one to rewrite, two paraphrases

std::string key_of(std::string const& kind, std::size_t a, std::size_t b = 0, std::size_t c = 0) {
  Hasher hasher;
  for (auto value : {a, b, c}) hasher.integer(static_cast<long long>(value));
  return hasher.text(kind).hex();
}

std::vector<SplitFact> make_facts(std::size_t count) {
  std::vector<SplitFact> facts(count);
  for (std::size_t f = 0; f < count; ++f) {
    auto& fact = facts[f].fact;
    auto& split = facts[f].split;
    auto const number = std::to_string(f);
    split = f * 10 < count * 6 ? "train" : f * 10 < count * 9 ? "heldout" : "ood";
    fact.case_id = static_cast<std::int64_t>(f);
    fact.relation = "P" + std::to_string(100 + f % 34);
    fact.subject = "Subject " + number;
    fact.prompt = "The mother tongue of {} is";
    fact.target_true = "French";
    fact.target_new = "English";
    fact.paraphrase_prompts = {"Subject " + number + " is a native speaker of", "At home, Subject " + number + " speaks"};
  }
  return facts;
}

Plan make_plan(std::size_t facts, std::size_t sets, std::size_t masks) {
  Plan plan;
  plan.facts = make_facts(facts);
  for (std::size_t s = 0; s < sets; ++s) {
    auto& set = plan.sets.emplace_back();
    set.name = "edit.v_lr=0." + std::to_string(1000 + s);
    set.options.hparams.layers = {5};
    plan.condition_groups.push_back({s, -1, plan.conditions.size(), 2});
    plan.conditions.push_back({"original (" + set.name + ")", ConditionKind::original, s, -1});
    plan.conditions.push_back({"edited (" + set.name + ")", ConditionKind::edited, s, -1});
    std::vector<std::size_t> together;
    for (std::size_t f = 0; f < facts; ++f) {
      set.keys.push_back(key_of("edit", s, f));
      together.push_back(f);
      if (together.size() < batch && f + 1 < facts) continue;
      plan.edits.push_back({s, 0, std::move(together), {}, {}});
      together.clear();
    }
    for (std::size_t m = 0; m < masks; ++m) {
      auto const index = plan.masks.size();
      auto& mask = plan.masks.emplace_back();
      mask.set = s;
      mask.name = set.name + " mask.seed=" + std::to_string(m);
      mask.seed = m;
      mask.key = key_of("mask", s, m);
      plan.condition_groups.push_back({s, static_cast<std::ptrdiff_t>(index), plan.conditions.size(), 4});
      for (auto const kind :
           {ConditionKind::mask, ConditionKind::random, ConditionKind::magnitude, ConditionKind::delta_magnitude})
        plan.conditions.push_back({to_string(kind) + " (" + mask.name + ")", kind, s, static_cast<std::ptrdiff_t>(index)});
    }
    for (std::ptrdiff_t m = -1; m < std::ssize(plan.masks); ++m) {
      if (m >= 0 && plan.masks[static_cast<std::size_t>(m)].set != s) continue;
      for (std::size_t first = 0; first < facts; first += batch)
        plan.evaluations.push_back(
            {s, m, first, std::min(batch, facts - first), key_of("scores", s, static_cast<std::size_t>(m + 1), first)});
    }
  }
  plan.id = key_of("plan", facts, sets, masks);
  return plan;
}

std::string random_rows(std::size_t facts, std::size_t conditions, RandomStream& random) {
  std::vector<PromptMetrics> rows;
  auto const share = [&](std::uint64_t of) { return static_cast<double>(random.below(of + 1)) / static_cast<double>(of); };
  auto const log_probability = [&] { return static_cast<double>(static_cast<float>(-3 * std::abs(random.normal()))); };
  for (std::size_t c = 0; c < conditions; ++c) {
    for (std::size_t f = 0; f < facts; ++f) {
      for (int p = 0; p < prompts; ++p) {
        rows.push_back({static_cast<std::int64_t>(f), static_cast<std::int64_t>(c), p,
                        p == 0 ? PromptKind::rewrite : PromptKind::paraphrase, 1, 1, log_probability(), log_probability(),
                        std::abs(random.normal()), static_cast<std::int64_t>(1 + random.below(50)),
                        static_cast<std::int64_t>(1 + random.below(50)), static_cast<std::int64_t>(random.below(8192)),
                        static_cast<std::int64_t>(random.below(2)), share(5), share(10), share(100)});
      }
    }
  }
  return to_bytes(rows);
}

void make_objects(Plan const& plan, ObjectStore const& objects) {
  for (auto const& set : plan.sets) {
    for (std::size_t f = 0; f < set.keys.size(); ++f) {
      Edit edit;
      edit.case_id = static_cast<std::int64_t>(f);
      edit.steps = 20;
      edit.loss = std::sqrt(static_cast<double>(f));
      edit.left = at::full({1, hidden}, static_cast<double>(f));
      edit.right = at::full({1, inner}, static_cast<double>(f));
      objects.put(set.keys[f], to_bytes(edit));
    }
  }
  for (auto const& mask : plan.masks) {
    RandomStream random({mask.seed});
    SharedMask trained{{5}, mask.seed, at::empty({hidden, inner}), std::vector<MaskEpoch>(10)};
    auto* values = trained.soft.data_ptr<float>();
    for (std::int64_t i = 0; i < hidden * inner; ++i) values[i] = static_cast<float>(random.uniform());
    objects.put(mask.key, to_bytes(trained));
  }
  RandomStream random({1});
  for (auto const& task : plan.evaluations)
    objects.put(task.key, random_rows(task.count, plan.conditions_of(task.set, task.mask).size(), random));
}

template <typename Work>
double seconds_of(Work work) {
  auto const start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// A file of so many bytes, written one after the other and synchronised.
void write_plainly(std::filesystem::path const& name, std::size_t bytes) {
  std::string const piece(1 << 20, 'x');
  auto const file = ::open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  bool good = file >= 0;
  for (std::size_t done = 0; good && done < bytes; done += piece.size())
    good = ::write(file, piece.data(), piece.size()) == static_cast<ssize_t>(piece.size());
  if (!good || ::fsync(file) != 0) throw std::runtime_error("cannot write " + name.string());
  ::close(file);
  std::filesystem::remove(name);
}

/// A line of /proc/self/status, e.g. "VmHWM".
std::string status_line(std::string const& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name)) return line.substr(line.find_first_not_of(" \t", name.size() + 1));
  }
  return "?";
}

void run(std::filesystem::path const& folder, std::size_t facts, std::size_t sets, std::size_t masks) {
  auto const plan = make_plan(facts, sets, masks);
  ObjectStore const objects(folder / "objects", false);
  std::printf("objects made or found in %.1f s\n", seconds_of([&] { make_objects(plan, objects); }));
  Study study;
  study.name = "bench";
  study.evaluation.masked_original = false;
  auto const file = folder / "study.h5";
  std::ofstream("/proc/self/clear_refs") << "5";  // the peak of what follows
  auto const before = status_line("VmRSS");
  bool complete = false;
  auto const clock = std::clock();
  auto const seconds = seconds_of([&] { complete = gather({plan, study, objects, folder / "journal", "", ""}, file); });
  auto const busy = static_cast<double>(std::clock() - clock) / CLOCKS_PER_SEC;
  auto const peak = status_line("VmHWM");
  auto const rows = facts * sets * (2 + 4 * masks) * prompts;
  auto const raw = rows * 16 * sizeof(double);
  auto const plain = seconds_of([&] { write_plainly(folder / "plain", raw); });
  std::printf("%zu rows, %zu edits, %zu conditions: %s in %.1f s (%.1f s of them computing), memory %s before, %s at most\n",
              rows, facts * sets, plan.conditions.size(), complete ? "complete" : "PARTIAL", seconds, busy, before.c_str(),
              peak.c_str());
  std::printf("study.h5 %.1f MB of %.1f MB raw; a plain write of the raw bytes takes %.2f s: ratio %.1f\n",
              static_cast<double>(std::filesystem::file_size(file)) * 1e-6, static_cast<double>(raw) * 1e-6, plain,
              seconds / plain);
}

}  // namespace
}  // namespace onemask

int main(int count, char** arguments) {
  if (count < 2) {
    std::cerr << "bench_gather FOLDER [facts] [sets] [masks]\n";
    return 2;
  }
  auto const number = [&](int place, std::size_t otherwise) { return count > place ? std::stoul(arguments[place]) : otherwise; };
  onemask::set_threads(1);
  try {
    onemask::run(arguments[1], number(2, 100'000), number(3, 1), number(4, 8));
  } catch (std::exception const& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
