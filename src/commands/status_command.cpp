#include "commands/light_commands.hpp"
#include <onemask/core/interrupt.hpp>
#include <onemask/core/json_line.hpp>
#include <onemask/core/text.hpp>
#include <onemask/report/text_table.hpp>
#include <onemask/status/status.hpp>

#include <array>
#include <cmath>
#include <ctime>
#include <iostream>
#include <thread>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

constexpr std::size_t most_failures = 10;  // shown

long long now() {
  return static_cast<long long>(std::time(nullptr));
}

std::string date_of(long long seconds) {
  auto const time = static_cast<std::time_t>(seconds);
  std::tm utc{};
  ::gmtime_r(&time, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &utc);
  return text.data();
}

/// "1.4": tasks that are done, and the shares of those that run.
std::string with_share(KindStatus const& kind) {
  auto const tenths = static_cast<std::size_t>(10 * kind.share);
  auto const whole = kind.done + tenths / 10;
  return kind.share > 0 ? fmt::format("{}.{}", whole, tenths % 10) : std::to_string(whole);
}

std::string heading(PartStatus const& part) {
  std::string text = (part.name.empty() ? "" : part.name + ": ") + part.phase;
  text += fmt::format(", attempt {} on {} (process {}), {}", part.attempt, part.host, part.process,
                      counted(static_cast<std::size_t>(part.ranks), "rank"));
  if (!part.lost.empty()) text += fmt::format(", {} of them lost", part.lost.size());
  text += ", since " + date_of(part.started);
  if (part.silent(now())) {
    return text + "\nno update for " + format_duration(static_cast<double>(now() - part.updated)) +
           ": the run has died, or it writes to another disk; the same command continues it";
  }
  if (part.phase == "running")
    return text + ", last update " + format_duration(static_cast<double>(now() - part.updated)) + " ago";
  return text + ", ended " + date_of(part.updated);
}

std::string text_of(RunStatus const& status) {
  auto text = fmt::format("{}, plan {}, {} facts\n", status.name, status.plan.substr(0, 12), status.facts);
  if (status.parts.empty()) text += "planned, not started yet\n";
  for (auto const& part : status.parts) {
    TextTable table;
    table.add({"tasks", "planned", "done", "running", "waiting", "failed"});
    for (auto const& kind : part.kinds) {
      table.add({kind.name, std::to_string(kind.tasks), with_share(kind), std::to_string(kind.running),
                 std::to_string(kind.waiting()), std::to_string(kind.failed)});
    }
    text += fmt::format("{}\n\n{}\nranks in tasks {} % of {}", heading(part), table.text(),
                        static_cast<int>(std::lround(100 * part.busy)), format_duration(part.seconds));
    if (part.phase == "running" && part.seconds_left > 0) text += "; about " + format_duration(part.seconds_left) + " left";
    text += "\n";
  }
  if (!status.failed.empty()) text += "\nfailed and not done since:\n";
  for (std::size_t i = 0; i < std::min(status.failed.size(), most_failures); ++i) {
    auto const& task = status.failed[i];
    text += fmt::format("  {}, {}, last on rank {} of {}: {}\n", task.task, counted(task.times, "time"), task.rank, task.host,
                        task.reason.substr(0, task.reason.find('\n')));
  }
  if (status.failed.size() > most_failures) text += fmt::format("  and {} more\n", status.failed.size() - most_failures);
  return text;
}

std::string json_of(RunStatus const& status) {
  auto parts = nlohmann::ordered_json::array(), failed = nlohmann::ordered_json::array();
  for (auto const& part : status.parts) {
    auto kinds = nlohmann::ordered_json::array();
    for (auto const& kind : part.kinds) {
      kinds.push_back({{"kind", kind.name},
                       {"tasks", kind.tasks},
                       {"done", kind.done},
                       {"running", kind.running},
                       {"share", kind.share},
                       {"waiting", kind.waiting()},
                       {"failed", kind.failed}});
    }
    parts.push_back({{"part", part.name},
                     {"phase", part.silent(now()) ? "silent" : part.phase},
                     {"attempt", part.attempt},
                     {"host", part.host},
                     {"process", part.process},
                     {"started", part.started},
                     {"updated", part.updated},
                     {"ranks", part.ranks},
                     {"lost", part.lost},
                     {"seconds", part.seconds},
                     {"seconds_left", part.seconds_left},
                     {"busy", part.busy},
                     {"tasks", kinds}});
  }
  for (auto const& task : status.failed)
    failed.push_back(
        {{"task", task.task}, {"times", task.times}, {"rank", task.rank}, {"host", task.host}, {"reason", task.reason}});
  return json_line(
             {{"plan", status.plan}, {"name", status.name}, {"facts", status.facts}, {"parts", parts}, {"failed", failed}}) +
         "\n";
}

bool goes_on(RunStatus const& status) {
  bool running = false;
  for (auto const& part : status.parts) running = running || (part.phase == "running" && !part.silent(now()));
  return running;
}

CommandResult status(po::variables_map const& values) {
  auto const folder = only_operand(values, "RUN, the folder of the run,");
  bool const json = values.contains("json");
  auto found = read_status(folder);
  if (values.contains("watch")) {
    watch_signals();
    while (goes_on(found) && !interrupted()) {
      std::cout << (json ? json_of(found) : "\x1b[H\x1b[2J" + text_of(found)) << std::flush;
      for (int i = 0; i < 20 && !interrupted(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(100));
      found = read_status(folder);
    }
  }
  return {json ? json_of(found) : text_of(found), 0};
}

}  // namespace

Command status_command() {
  Command command{"status",
                  "RUN [options]",
                  "",
                  "  onemask status results/study\n"
                  "  onemask status results/study --watch\n",
                  1,
                  false,
                  no_options(),
                  [](po::variables_map const& values, Environment const&) { return status(values); }};
  command.options->add_options()                                     //
      ("watch", "repeat every two seconds until the run has ended")  //
      ("json", "one line of JSON");
  return command;
}

}  // namespace onemask
