// How quickly tasks are dealt out: the program's own coordinator, workers and messages, with tasks in which nothing happens.
//   mpirun -n RANKS bench_dispatch tasks COUNT
//   mpirun -n RANKS bench_dispatch answers COUNT
//   bench_dispatch naps COUNT
// `tasks` lets all ranks' workers do COUNT tasks. `answers` lets all workers but rank 1's compute flat out, rank 0's beside the
// coordinator, while rank 1 asks COUNT times for a task, and tells how long each answer took. `naps` tells how much later than
// it should a thread wakes from naps of 100 µs while each core has a thread that computes: as long as the machine itself makes
// anybody wait. One line of JSON; dispatch.py runs all three.
#include <onemask/comm/environment.hpp>
#include <onemask/core/interrupt.hpp>
#include <onemask/dispatch/coordinator.hpp>
#include <onemask/dispatch/worker.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <iostream>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace onemask {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t affinities = 1000;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Tasks such as evaluations are: many to one affinity.
TaskGraph empty_tasks(std::size_t count) {
  TaskGraph graph{{"empty"}, std::vector<Task>(count)};
  for (std::size_t t = 0; t < count; ++t) {
    graph.tasks[t].seconds = 1e-6;
    graph.tasks[t].affinity = static_cast<std::uint32_t>(1 + t % affinities);
  }
  return graph;
}

/// Every task is there already, so that nothing is written to a disk, or runs until it is stopped.
class EmptyTasks : public TaskRunner {
 public:
  using Found = std::function<bool()>;
  using Run = std::function<void(TaskContext const& context)>;
  explicit EmptyTasks(Found found, Run run = {}) : found_(std::move(found)), run_(std::move(run)) {}

  bool is_done(std::size_t) const override { return found_(); }
  bool run(std::size_t, TaskContext const& context) override {
    run_(context);
    return false;
  }
  JournalRecord record(std::size_t) const override { return {.task = "empty"}; }
  void drop_caches() override {}
  bool is_fit() const override { return true; }

 private:
  Found found_;
  Run run_;
};

/// Lets every rank's worker do `tasks`, and the coordinator deal them out beside it on rank 0; the seconds that it took.
double coordinate(Communicator const& world, std::size_t count, EmptyTasks tasks) {
  auto const folder = std::filesystem::temp_directory_path() / ("bench_dispatch." + std::to_string(::getpid()));
  double seconds = 0;
  {
    auto const graph = empty_tasks(count);
    Mailbox mailbox(world);
    Journal journal(folder, world.rank(), 1);
    world.barrier();
    std::jthread coordinator;
    if (world.rank() == 0) {
      coordinator = std::jthread([&, start = Clock::now()] {
        Coordinator(graph, std::vector<bool>(count), mailbox, {.gathers = false}).run();
        seconds = seconds_since(start);
      });
    }
    static_cast<void>(work(tasks, mailbox, journal, {}));
  }
  std::filesystem::remove_all(folder);
  return seconds;
}

void time_tasks(Communicator const& world, std::size_t count) {
  std::size_t mine = 0;
  auto const seconds = coordinate(world, count, EmptyTasks([&] { return ++mine > 0; }));
  auto const sum = world.all_reduce_sum(static_cast<std::int64_t>(mine));
  if (world.rank() != 0) return;
  std::printf("{\"ranks\": %d, \"tasks\": %lld, \"of_rank_0\": %zu, \"seconds\": %.6f}\n", world.size(),
              static_cast<long long>(sum), mine, seconds);
}

/// Keeps a core busy.
void compute(std::chrono::microseconds how_long) {
  auto const start = Clock::now();
  double volatile sum = 0;
  while (Clock::now() - start < how_long) {
    for (int i = 1; i < 1000; ++i) sum = sum + std::sqrt(static_cast<double>(i));
  }
}

void print_quantiles(int ranks, std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  auto const quantile = [&](double share) {
    return 1e6 * seconds[std::min(seconds.size() - 1, static_cast<std::size_t>(share * static_cast<double>(seconds.size())))];
  };
  std::printf("{\"ranks\": %d, \"count\": %zu, \"p50\": %.1f, \"p99\": %.1f, \"p99.9\": %.1f, \"max\": %.1f}\n", ranks,
              seconds.size(), quantile(0.5), quantile(0.99), quantile(0.999), quantile(1));
}

void time_naps(std::size_t count) {
  constexpr std::chrono::microseconds nap{100};
  std::atomic<bool> over = false;
  std::vector<std::thread> busy;
  for (unsigned core = 0; core < std::max(1U, std::thread::hardware_concurrency()); ++core) {
    busy.emplace_back([&] {
      while (!over) compute(std::chrono::milliseconds(1));
    });
  }
  std::vector<double> late;
  while (late.size() < count) {
    auto const start = Clock::now();
    std::this_thread::sleep_for(nap);
    late.push_back(seconds_since(start) - std::chrono::duration<double>(nap).count());
  }
  over = true;
  for (auto& thread : busy) thread.join();
  print_quantiles(1, std::move(late));
}

void time_answers(Communicator const& world, std::size_t count) {
  constexpr int asker = 1;
  std::vector<double> answers;  // [s]
  auto asked = Clock::now();
  int group = 0;
  auto const answered = [&] {
    if (group > 0 && answers.size() < count) answers.push_back(seconds_since(asked));
    // Asks do not fall into step, and the asker has no lack of processor time of its own.
    std::this_thread::sleep_for(std::chrono::microseconds((++group * 37) % 500));
    if (answers.size() == count) std::raise(SIGTERM);
    asked = Clock::now();
    return true;
  };
  // One long task, between whose steps it looks for word, as all long tasks do.
  auto const compute_on = [](TaskContext const& context) {
    while (!context.stopped()) compute(std::chrono::milliseconds(50));
  };
  watch_signals();
  bool const asks = world.rank() == asker;
  coordinate(world, 2 * count + 1000, asks ? EmptyTasks(answered) : EmptyTasks([] { return false; }, compute_on));
  if (world.rank() == asker) print_quantiles(world.size(), std::move(answers));
  world.barrier();
}

}  // namespace
}  // namespace onemask

int main(int count, char** arguments) {
  onemask::Environment const environment(count, arguments);
  auto const what = count == 3 ? std::string(arguments[1]) : "";
  if (what == "tasks") {
    onemask::time_tasks(environment.world(), std::stoul(arguments[2]));
  } else if (what == "naps") {
    onemask::time_naps(std::stoul(arguments[2]));
  } else if (what == "answers" && environment.world().size() > 1) {
    onemask::time_answers(environment.world(), std::stoul(arguments[2]));
  } else {
    std::cerr << "mpirun -n RANKS bench_dispatch tasks|answers|naps COUNT (answers: at least two ranks)\n";
    return 2;
  }
}
