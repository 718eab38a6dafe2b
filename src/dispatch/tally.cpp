#include <onemask/core/invariant.hpp>
#include <onemask/dispatch/tally.hpp>

#include <algorithm>
#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

constexpr double worth_telling = 10;  // [s] that a task runs before it is said to take longer than predicted

}  // namespace

Tally::Tally(TaskGraph const& graph, std::vector<bool> const& done, std::vector<bool> foreign)
    : graph_(graph), foreign_(std::move(foreign)), kinds_(graph.kinds.size()) {
  invariant(done.size() == graph.tasks.size(), "it is known of ", done.size(), " tasks whether they are done, but there are ",
            graph.tasks.size());
  for (std::size_t t = 0; t < done.size(); ++t) {
    if (graph.is_join(t)) continue;
    auto& kind = kind_of(t);
    ++kind.tasks;
    if (done[t]) {
      ++kind.before;
    } else {
      kind.waiting += seconds_of(t);
    }
  }
}

void Tally::begin(std::size_t task, int ranks, double now) {
  auto& kind = kind_of(task);
  ++kind.running;
  kind.waiting -= seconds_of(task);
  kind.ranks = std::max(kind.ranks, ranks);
  if (kind.first < 0) kind.first = now;
  invariant(running_.try_emplace(task, Running{ranks, now}).second, "task ", task, " is begun though it runs");
  expect_sense(task);
}

void Tally::end(std::size_t task, double now, bool finished) {
  auto& kind = kind_of(task);
  invariant(running_.contains(task) && kind.running > 0, "task ", task, " ended though it does not run");
  auto const& running = running_.at(task);
  --kind.running;
  kind.busy += (now - running.began) * running.ranks;
  kind.last = std::max(kind.last, now);
  running_.erase(task);
  if (finished) {
    ++kind.done;
  } else {
    kind.waiting += seconds_of(task);
  }
  expect_sense(task);
}

void Tally::found(std::size_t task) {
  auto& kind = kind_of(task);
  ++kind.before;
  kind.waiting -= seconds_of(task);
  expect_sense(task);
}

void Tally::expect_sense(std::size_t task) {
  auto const& kind = kind_of(task);
  invariant(kind.through() + kind.running <= kind.tasks, "of ", kind.tasks, " tasks of the kind '",
            graph_.kinds[graph_.tasks[task].kind], "', ", kind.through(), " are done and ", kind.running, " run");
}

void Tally::set_share(std::size_t task, double share, double now) {
  auto const found = running_.find(task);
  if (found == running_.end()) return;
  auto& marks = found->second.marks;
  if (marks.size() == 2) marks.pop_back();
  marks.push_back({share, now});
}

void Tally::add_failed(std::size_t task, std::string reason) {
  if (!reasons_.try_emplace(task, std::move(reason)).second) return;
  ++kind_of(task).failed;
  kind_of(task).waiting -= seconds_of(task);
}

bool Tally::complete() const {
  return std::all_of(kinds_.begin(), kinds_.end(), [](auto const& kind) { return kind.through() == kind.tasks; });
}

/// Seconds of the whole task, as its marks tell; 0: they do not. One that goes on from a checkpoint begins with a share done, so
/// the time to the first mark counts only while there is no other.
double Tally::seconds_of_all(Running const& running) {
  if (running.marks.empty()) return 0;
  auto const& last = running.marks.back();
  auto const first = running.marks.size() > 1 ? running.marks.front() : Mark{0, running.began};
  return last.share > first.share ? (last.at - first.at) / (last.share - first.share) : 0;
}

/// Seconds until a task in hand is done; 0 when it takes longer than thought.
double Tally::rest(std::size_t task, Running const& running, double scale, double now) const {
  auto const whole = seconds_of_all(running);
  if (whole > 0) return std::max(0.0, whole * (1 - share(running)) - (now - running.marks.back().at));
  return std::max(0.0, seconds_on(graph_.tasks[task], running.ranks) * scale - (now - running.began));
}

/// Of each kind what the predictions are to be multiplied by: as measured; while no task has ended, as those in hand tell.
std::vector<double> Tally::scales(Measured const& measured) const {
  std::vector<double> told(kinds_.size()), scales(kinds_.size());
  std::vector<std::size_t> tellers(kinds_.size());
  for (auto const& [task, running] : running_) {
    auto const whole = seconds_of_all(running);
    if (whole <= 0) continue;
    auto const kind = graph_.tasks[task].kind;
    told[kind] += whole / seconds_on(graph_.tasks[task], running.ranks);
    ++tellers[kind];
  }
  for (std::size_t k = 0; k < kinds_.size(); ++k) {
    scales[k] = measured(k) > 0 ? measured(k) : tellers[k] > 0 ? told[k] / static_cast<double>(tellers[k]) : 1;
  }
  return scales;
}

std::string Tally::line(Measured const& measured, double now) const {
  auto const scale = scales(measured);
  std::vector<double> shares(kinds_.size());
  std::vector<std::size_t> late(kinds_.size());
  for (auto const& [task, running] : running_) {
    auto const kind = graph_.tasks[task].kind;
    shares[kind] += share(running);
    late[kind] += now - running.began > worth_telling && rest(task, running, scale[kind], now) <= 0;
  }
  std::string runs, waits;
  for (std::size_t k = 0; k < kinds_.size(); ++k) {
    auto const& kind = kinds_[k];
    if (kind.running == 0 && (kind.done == 0 || kind.through() == kind.tasks)) continue;
    auto& text = kind.running > 0 ? runs : waits;
    if (!text.empty()) text += "; ";
    auto const tenths = static_cast<std::size_t>(10 * shares[k]);
    text += fmt::format("{} {}", graph_.kinds[k], kind.through() + tenths / 10);
    if (shares[k] > 0) text += fmt::format(".{}", tenths % 10);
    text += fmt::format(" of {}", kind.tasks);
    if (kind.failed > 0) text += fmt::format(" ({} failed)", kind.failed);
    if (kind.running > 0) {
      text += fmt::format(", {} running{}", kind.running, late[k] == kind.running ? " longer than predicted" : "");
    } else if (kind.left() > 0) {
      text += fmt::format(", {} waiting", kind.left());
    }
  }
  return runs + (runs.empty() || waits.empty() ? "" : "; ") + waits;
}

double Tally::seconds_left(Measured const& measured, std::size_t ranks, double now) const {
  auto const scale = scales(measured);
  double work = 0, longest = 0;
  for (std::size_t k = 0; k < kinds_.size(); ++k) {
    if (kinds_[k].left() > 0) work += kinds_[k].waiting * scale[k];
  }
  for (auto const& [task, running] : running_) {
    auto const seconds = rest(task, running, scale[graph_.tasks[task].kind], now);
    work += seconds * running.ranks;
    longest = std::max(longest, seconds);
  }
  return std::max(longest, work / static_cast<double>(std::max<std::size_t>(ranks, 1)));
}

double Tally::busy(int ranks, double now) const {
  double seconds = 0;
  for (auto const& kind : kinds_) seconds += kind.busy;
  for (auto const& [task, running] : running_) seconds += (now - running.began) * running.ranks;
  return now > 0 ? seconds / (now * ranks) : 1;
}

std::vector<StageRecord> Tally::stages() const {
  std::vector<StageRecord> stages;
  for (std::size_t k = 0; k < kinds_.size(); ++k) {
    auto const& kind = kinds_[k];
    if (kind.tasks == 0) continue;
    stages.push_back({graph_.kinds[k], kind.first < 0 ? 0 : kind.last - kind.first, kind.tasks, kind.before, kind.ranks});
  }
  return stages;
}

nlohmann::ordered_json Tally::json() const {
  std::vector<double> shares(kinds_.size());
  for (auto const& [task, running] : running_) shares[graph_.tasks[task].kind] += share(running);
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (std::size_t k = 0; k < kinds_.size(); ++k) {
    auto const& kind = kinds_[k];
    if (kind.tasks == 0) continue;
    json.push_back({{"kind", graph_.kinds[k]},
                    {"tasks", kind.tasks},
                    {"done_before", kind.before},
                    {"done", kind.done},
                    {"running", kind.running},
                    {"share", shares[k]},
                    {"failed", kind.failed}});
  }
  return json;
}

std::string Tally::failures() const {
  std::string text;
  for (auto const& [task, reason] : reasons_) {
    if (reason.empty()) continue;
    text += (text.empty() ? "" : "; ") + reason;
    if (text.size() > 500) return text + " …";
  }
  return text;
}

}  // namespace onemask
