#include <onemask/core/invariant.hpp>
#include <onemask/dispatch/tally.hpp>

#include <algorithm>

namespace onemask {

Tally::Tally(TaskGraph const& graph, std::vector<bool> const& done) : graph_(graph), kinds_(graph.kinds.size()) {
  invariant(done.size() == graph.tasks.size(), "it is known of ", done.size(), " tasks whether they are done, but there are ",
            graph.tasks.size());
  for (std::size_t t = 0; t < done.size(); ++t) {
    if (graph.is_join(t)) continue;
    auto& kind = kind_of(t);
    ++kind.tasks;
    if (done[t]) {
      ++kind.before;
    } else {
      kind.left += graph.tasks[t].seconds;
    }
  }
}

void Tally::begin(std::size_t task, int ranks, double now) {
  auto& kind = kind_of(task);
  ++kind.running;
  kind.ranks = std::max(kind.ranks, ranks);
  if (kind.first < 0) kind.first = now;
  invariant(running_.try_emplace(task, Running{ranks, now, 0}).second, "task ", task, " is begun though it runs");
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
  if (!finished) return;
  ++kind.done;
  kind.left -= graph_.tasks[task].seconds;
  expect_sense(task);
}

void Tally::found(std::size_t task) {
  auto& kind = kind_of(task);
  ++kind.before;
  kind.left -= graph_.tasks[task].seconds;
  expect_sense(task);
}

void Tally::expect_sense(std::size_t task) {
  auto const& kind = kind_of(task);
  invariant(kind.before + kind.done + kind.running <= kind.tasks, "of ", kind.tasks, " tasks of the kind '",
            graph_.kinds[graph_.tasks[task].kind], "', ", kind.before + kind.done, " are done and ", kind.running, " run");
}

void Tally::set_share(std::size_t task, double share) {
  auto const found = running_.find(task);
  if (found != running_.end()) found->second.share = share;
}

void Tally::set_aside(std::size_t task, std::string reason) {
  if (reasons_.try_emplace(task, std::move(reason)).second) ++kind_of(task).aside;
}

bool Tally::complete() const {
  return std::all_of(kinds_.begin(), kinds_.end(), [](auto const& kind) { return kind.before + kind.done == kind.tasks; });
}

std::string Tally::line() const {
  std::string text;
  for (std::size_t k = 0; k < kinds_.size(); ++k) {
    auto const& kind = kinds_[k];
    auto const through = kind.before + kind.done;
    if (kind.running == 0 && (kind.done == 0 || through == kind.tasks)) continue;
    double share = 0;  // of tasks in hand
    for (auto const& [task, running] : running_) {
      if (graph_.tasks[task].kind == k) share += running.share;
    }
    std::string tenths;
    if (share > 0) tenths.append(".").append(std::to_string(static_cast<int>(10 * share) % 10));
    text += (text.empty() ? "" : ", ") + graph_.kinds[k] + " " + std::to_string(through + static_cast<std::size_t>(share)) +
            tenths + " of " + std::to_string(kind.tasks);
    if (kind.aside > 0) text += " (" + std::to_string(kind.aside) + " set aside)";
  }
  return text;
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
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (std::size_t k = 0; k < kinds_.size(); ++k) {
    auto const& kind = kinds_[k];
    if (kind.tasks == 0) continue;
    json.push_back({{"kind", graph_.kinds[k]},
                    {"tasks", kind.tasks},
                    {"done_before", kind.before},
                    {"done", kind.done},
                    {"running", kind.running},
                    {"set_aside", kind.aside}});
  }
  return json;
}

std::string Tally::aside() const {
  std::string text;
  for (auto const& [task, reason] : reasons_) {
    if (reason.empty()) continue;
    text += (text.empty() ? "" : "; ") + reason;
    if (text.size() > 500) return text + " …";
  }
  return text;
}

}  // namespace onemask
