// How quickly tasks are dealt out: the program's own coordinator, scheduler and messages, with tasks in which nothing happens.
//   mpirun -n RANKS bench_dispatch tasks COUNT
//   mpirun -n RANKS bench_dispatch answers COUNT
//   bench_dispatch naps COUNT
// `tasks` lets all ranks' workers do COUNT tasks. `answers` lets all workers but rank 1's compute flat out, rank 0's beside the
// coordinator, while rank 1 asks COUNT times for a task, and tells how long each answer took. `naps` tells how much later than
// it should a thread wakes from naps of 100 µs while each core has a thread that computes: as long as the machine itself makes
// anybody wait. One line of JSON; dispatch.py runs all three.
#include <onemask/comm/environment.hpp>
#include <onemask/core/pace.hpp>
#include <onemask/dispatch/coordinator.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace onemask {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t lanes = 1000;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Tasks such as evaluations are: many to a lane.
TaskGraph empty_tasks(std::size_t count) {
  TaskGraph graph{{"empty"}, std::vector<Task>(count)};
  for (std::size_t t = 0; t < count; ++t) {
    graph.tasks[t].seconds = 1e-6;
    graph.tasks[t].lane = static_cast<std::uint32_t>(1 + t % lanes);
  }
  return graph;
}

/// A worker as the program's, but that its tasks are up to `do_task`, which gives the report.
class Worker {
 public:
  explicit Worker(Mailbox& mailbox) : mailbox_(mailbox) {}

  void say(Report const& report) { mailbox_.send(0, Mailbox::Box::coordinator, to_bytes(report)); }

  std::optional<Order> receive() {
    while (auto const message = mailbox_.receive(Mailbox::Box::worker)) {
      auto const order = order_from_bytes(message->bytes);
      if (std::holds_alternative<CheckPresence>(order)) {
        say(Present{});
      } else if (!std::holds_alternative<Alive>(order)) {
        return order;
      }
    }
    return std::nullopt;
  }

  template <class DoTask>
  void run(DoTask const& do_task) {
    say(WorkerReady{});
    Pace pace;
    for (;;) {
      if (auto const order = receive()) {
        if (std::holds_alternative<EndWork>(*order)) return;
        if (auto const* task = std::get_if<RunTask>(&*order)) say(do_task(*task));
        pace.heard();
      } else {
        pace.wait();
      }
    }
  }

 private:
  Mailbox& mailbox_;
};

TaskDone done(RunTask const& order) {
  return {order.group, order.task};
}

/// Runs `work` on every rank, and the coordinator beside it on rank 0; the seconds that the coordinator took.
template <class Work>
double coordinate(Communicator const& world, std::size_t count, Work const& work) {
  auto const tasks = empty_tasks(count);
  Mailbox mailbox(world);
  Worker worker(mailbox);
  world.barrier();
  if (world.rank() != 0) {
    work(worker);
    return 0;
  }
  auto const start = Clock::now();
  Coordinator coordinator(tasks, std::vector<bool>(count), mailbox, {.gathers = false});
  double seconds = 0;
  std::thread thread([&] {
    coordinator.run();
    seconds = seconds_since(start);
  });
  work(worker);
  thread.join();
  return seconds;
}

void time_tasks(Communicator const& world, std::size_t count) {
  std::size_t mine = 0;
  auto const seconds = coordinate(world, count, [&](Worker& worker) {
    worker.run([&](RunTask const& order) {
      ++mine;
      return done(order);
    });
  });
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
  static_cast<void>(coordinate(world, 2 * count + 1000, [&](Worker& worker) {
    if (world.rank() != asker) {
      // One long task, between whose steps it looks for word, as all long tasks do.
      worker.run([&](RunTask const& order) {
        for (;;) {
          compute(std::chrono::milliseconds(50));
          if (auto const word = worker.receive(); word && std::holds_alternative<StopTask>(*word)) {
            return TaskDropped{order.group, order.task};
          }
        }
      });
      return;
    }
    auto asked = Clock::now();
    bool first = true;
    worker.run([&](RunTask const& order) {
      if (!first && answers.size() < count) answers.push_back(seconds_since(asked));
      first = false;
      // Asks do not fall into step, and the asker has no lack of processor time of its own.
      std::this_thread::sleep_for(std::chrono::microseconds((order.group * 37) % 500));
      if (answers.size() == count) worker.say(SignalReceived{});
      asked = Clock::now();
      return done(order);
    });
  }));
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
