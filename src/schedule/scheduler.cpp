#include <onemask/core/invariant.hpp>
#include <onemask/schedule/scheduler.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace onemask {
namespace {

constexpr double forever = std::numeric_limits<double>::infinity();
constexpr std::size_t most_candidates = 256;  // looked at for one rank
constexpr std::uint64_t no_affinity = 1ULL << 32;

std::int64_t step_of(double urgency) {
  return -static_cast<std::int64_t>(std::ceil(12 * std::log2(std::max(urgency, 1e-9))));
}

}  // namespace

Scheduler::Scheduler(TaskGraph const& graph, std::vector<bool> const& done, std::vector<bool> const& foreign)
    : graph_(graph),
      urgency_(seconds_to_end(graph, 1)),
      states_(graph.tasks.size(), State::waiting),
      waits_for_(graph.tasks.size()),
      followers_(graph.tasks.size()),
      scale_(graph.kinds.size()) {
  invariant(done.size() == graph.tasks.size(), "it is known of ", done.size(), " tasks whether they are done, but there are ",
            graph.tasks.size());
  invariant(foreign.empty() || foreign.size() == graph.tasks.size(), "it is known of ", foreign.size(),
            " tasks whether others do them, but there are ", graph.tasks.size());
  for (std::size_t t = 0; t < graph.tasks.size(); ++t) {
    auto const& task = graph.tasks[t];
    invariant(task.kind < graph.kinds.size(), "task ", t, " is of kind ", task.kind, ", which there is not");
    for (auto before : task.after) {
      invariant(before < t, "task ", t, " waits for task ", before, ", which comes after it");
      if (states_[before] == State::done) continue;
      followers_[before].push_back(static_cast<std::uint32_t>(t));
      ++waits_for_[t];
    }
    if (!foreign.empty() && foreign[t]) ++waits_for_[t];  // for somebody else
    if (done[t] || (task.seconds == 0 && waits_for_[t] == 0)) {
      states_[t] = State::done;
    } else if (waits_for_[t] == 0) {
      make_ready(t);
    }
  }
}

void Scheduler::join(int rank, int node) {
  ranks_[rank] = {node};
  free_.insert(rank);
}

void Scheduler::leave(int rank) {
  auto const affinity = ranks_[rank].affinity;
  if (affinity != 0) change_group(affinity, [](AffinityGroup& on) { --on.ranks; });
  ranks_.erase(rank);
  free_.erase(rank);
}

std::uint64_t Scheduler::affinity_of(std::size_t task) const {
  auto const affinity = graph_.tasks[task].affinity;
  return affinity != 0 ? affinity : no_affinity + task;
}

Scheduler::Priority Scheduler::priority_of(std::uint64_t affinity) const {
  auto const& found = affinity_groups_.at(affinity);
  auto const head = *found.tasks.begin();
  return {step_of(urgency_[head]), found.ranks, static_cast<std::int64_t>(head)};
}

template <class Change>
void Scheduler::change_group(std::uint64_t affinity, Change const& change) {
  auto& found = affinity_groups_[affinity];
  if (!found.tasks.empty()) ready_.erase(priority_of(affinity));
  change(found);
  if (!found.tasks.empty()) {
    ready_.emplace(priority_of(affinity), affinity);
  } else if (found.ranks == 0) {
    affinity_groups_.erase(affinity);
  }
}

void Scheduler::make_ready(std::size_t task) {
  invariant(waits_for_[task] == 0, "task ", task, " is made ready though it waits for ", waits_for_[task], " others");
  invariant(states_[task] == State::waiting || states_[task] == State::running, "task ", task, " is made ready a second time");
  states_[task] = State::ready;
  ++ready_count_;
  if (graph_.tasks[task].parts > 1) {
    groups_.emplace(-urgency_[task], task);
  } else {
    change_group(affinity_of(task), [&](AffinityGroup& affinity) { affinity.tasks.insert(task); });
  }
}

/// Out of the ready ones.
void Scheduler::take(std::size_t task) {
  invariant(states_[task] == State::ready && ready_count_ > 0, "task ", task, " is begun though it is not ready");
  --ready_count_;
  if (graph_.tasks[task].parts > 1) {
    groups_.erase({-urgency_[task], task});
  } else {
    change_group(affinity_of(task), [&](AffinityGroup& affinity) { affinity.tasks.erase(task); });
  }
}

void Scheduler::set_done(std::size_t first) {
  std::vector<std::size_t> fresh{first};
  while (!fresh.empty()) {
    auto const task = fresh.back();
    fresh.pop_back();
    invariant(states_[task] != State::done, "task ", task, " is done a second time");
    states_[task] = State::done;
    for (auto follower : followers_[task]) {
      invariant(waits_for_[follower] > 0, "task ", follower, " waits for task ", task, " no more, which has only ended now");
      if (--waits_for_[follower] > 0 || states_[follower] != State::waiting) continue;
      if (graph_.tasks[follower].seconds == 0) {
        fresh.push_back(follower);
      } else {
        make_ready(follower);
      }
    }
  }
}

void Scheduler::fail_with_followers(std::size_t first) {
  std::vector<std::size_t> blocked{first};
  while (!blocked.empty()) {
    auto const task = blocked.back();
    blocked.pop_back();
    states_[task] = State::failed;
    for (auto follower : followers_[task]) {
      if (states_[follower] == State::waiting) blocked.push_back(follower);
    }
  }
}

Assignment const* Scheduler::running(std::size_t task) const {
  auto const found = running_.find(task);
  return found == running_.end() ? nullptr : &found->second.assignment;
}

double Scheduler::expected(std::size_t task, double speed) const {
  auto const& known = graph_.tasks[task];
  auto const scale = scale_[known.kind];
  return known.seconds * (scale > 0 ? scale : 1) / speed;
}

bool Scheduler::avoids(std::size_t task, int rank) const {
  auto const found = failures_.find(task);
  if (found == failures_.end()) return false;
  auto const& bad = found->second;
  auto const is_bad = [&](int r) { return std::find(bad.begin(), bad.end(), r) != bad.end(); };
  return is_bad(rank) && std::any_of(ranks_.begin(), ranks_.end(), [&](auto const& item) { return !is_bad(item.first); });
}

double Scheduler::end_of(Running const& running, double now) const {
  return std::max(now, running.began + running.seconds);
}

bool Scheduler::worth_it(std::size_t task, int rank, double now) const {
  if (ready_count_ > ranks_.size()) return true;
  auto const speed = ranks_.at(rank).speed;
  auto const end = now + expected(task, speed);
  std::size_t sooner = 0;
  for (auto const& [id, running] : running_) {
    if (running.assignment.ranks.size() > 1) continue;
    auto const other = ranks_.find(running.assignment.ranks.front());
    if (other == ranks_.end() || speed > 0.8 * other->second.speed) continue;
    if (end_of(running, now) + expected(task, other->second.speed) < end) ++sooner;
  }
  return sooner < ready_count_;
}

std::optional<std::size_t> Scheduler::choose(int rank, double now, double until) const {
  if (ready_.empty()) return std::nullopt;
  auto const suits = [&](std::size_t task) {
    return !avoids(task, rank) && now + expected(task, ranks_.at(rank).speed) <= until && worth_it(task, rank, now);
  };
  auto const top = static_cast<std::size_t>(ready_.begin()->first[2]);
  if (auto const own = affinity_groups_.find(ranks_.at(rank).affinity);
      own != affinity_groups_.end() && !own->second.tasks.empty()) {
    auto const head = *own->second.tasks.begin();
    if (urgency_[head] >= 0.5 * urgency_[top] && suits(head)) return head;
  }
  std::size_t seen = 0;
  for (auto const& [priority, affinity] : ready_) {
    auto const head = static_cast<std::size_t>(priority[2]);
    if (suits(head)) return head;
    if (++seen == most_candidates) break;
  }
  return std::nullopt;
}

/// Free ranks, of one node if there is one with enough: the one with fewest to spare; otherwise of as few nodes as can be.
std::vector<int> Scheduler::near_ranks(std::size_t count, std::size_t task) const {
  std::map<int, std::vector<int>> by_node;
  for (auto rank : free_) {
    if (!avoids(task, rank)) by_node[ranks_.at(rank).node].push_back(rank);
  }
  std::vector<std::vector<int>> nodes;
  for (auto& [node, ranks] : by_node) {
    std::stable_sort(ranks.begin(), ranks.end(), [&](int a, int b) { return ranks_.at(a).speed > ranks_.at(b).speed; });
    nodes.push_back(std::move(ranks));
  }
  std::stable_sort(nodes.begin(), nodes.end(), [&](auto const& a, auto const& b) {
    bool const fits_a = a.size() >= count, fits_b = b.size() >= count;
    if (fits_a != fits_b) return fits_a;
    return fits_a ? a.size() < b.size() : a.size() > b.size();
  });
  std::vector<int> chosen;
  for (auto const& ranks : nodes) {
    for (auto rank : ranks) {
      if (chosen.size() < count) chosen.push_back(rank);
    }
  }
  return chosen;
}

Assignment Scheduler::start(std::size_t task, std::vector<int> ranks, double now) {
  take(task);
  states_[task] = State::running;
  double slowest = forever;
  for (auto id : ranks) {
    auto& rank = ranks_.at(id);
    slowest = std::min(slowest, rank.speed);
    invariant(free_.erase(id) == 1, "rank ", id, " is given task ", task, " though it is not free");
    auto const affinity = graph_.tasks[task].affinity;
    if (affinity == rank.affinity) continue;
    if (rank.affinity != 0) change_group(rank.affinity, [](AffinityGroup& on) { --on.ranks; });
    if (affinity != 0) change_group(affinity, [](AffinityGroup& on) { ++on.ranks; });
    rank.affinity = affinity;
  }
  auto const& known = graph_.tasks[task];
  auto const alone = known.seconds > 0 ? seconds_on(known, static_cast<int>(ranks.size())) / known.seconds : 1;
  Assignment const assignment{task, std::move(ranks)};
  running_[task] = {assignment, now, alone * expected(task, slowest)};
  return assignment;
}

std::optional<Assignment> Scheduler::next_group(double now, double& until) {
  if (groups_.empty() || free_.empty()) return std::nullopt;
  auto const task = groups_.begin()->second;
  if (!ready_.empty() && urgency_[static_cast<std::size_t>(ready_.begin()->first[2])] > urgency_[task]) return std::nullopt;
  std::size_t in_groups = 0;
  for (auto const& [id, running] : running_) {
    if (graph_.tasks[id].parts > 1) in_groups += running.assignment.ranks.size();
  }
  auto const others = std::max<std::size_t>(1, ranks_.size() - std::min(in_groups, ranks_.size()));
  auto const wanted = static_cast<std::size_t>(group_size(graph_.tasks[task], groups_.size(), static_cast<int>(others)));
  auto ranks = near_ranks(wanted, task);
  if (!ranks.empty() && (ranks.size() == wanted || running_.empty())) return start(task, std::move(ranks), now);

  std::vector<std::pair<double, std::size_t>> ends;
  for (auto const& [id, running] : running_) ends.emplace_back(end_of(running, now), running.assignment.ranks.size());
  std::sort(ends.begin(), ends.end());
  auto free = ranks.size();
  for (auto const& [end, count] : ends) {
    free += count;
    until = end;
    if (free >= wanted) break;
  }
  return std::nullopt;
}

std::optional<Assignment> Scheduler::next(double now) {
  if (ready_count_ == 0 || free_.empty()) return std::nullopt;
  double until = forever;
  if (auto group = next_group(now, until)) return group;
  if (ready_.empty()) return std::nullopt;
  std::vector<int> ranks(free_.begin(), free_.end());
  std::stable_sort(ranks.begin(), ranks.end(), [&](int a, int b) { return ranks_.at(a).speed > ranks_.at(b).speed; });
  for (auto rank : ranks) {
    if (auto const task = choose(rank, now, until)) return start(*task, {rank}, now);
  }
  return std::nullopt;
}

/// The ranks of a task that runs are free again, those that are still there.
Assignment Scheduler::release(std::size_t task) {
  auto const found = running_.find(task);
  invariant(found != running_.end() && states_[task] == State::running, "task ", task, " ended though it does not run");
  auto const assignment = std::move(found->second.assignment);
  running_.erase(found);
  for (auto id : assignment.ranks) {
    auto const rank = ranks_.find(id);
    if (rank == ranks_.end()) continue;
    free_.insert(id);
  }
  return assignment;
}

/// What an ended task says about the predictions of its kind, and about its rank.
void Scheduler::measure(Running const& ended, double now) {
  auto const& task = graph_.tasks[ended.assignment.task];
  auto const predicted = seconds_on(task, static_cast<int>(ended.assignment.ranks.size()));
  auto const ratio = (now - ended.began) / predicted;
  if (!(ratio > 0) || !std::isfinite(ratio)) return;
  auto& scale = scale_[task.kind];
  scale = scale == 0 ? ratio : 0.8 * scale + 0.2 * ratio;
  auto const rank = ranks_.find(ended.assignment.ranks.front());
  if (ended.assignment.ranks.size() > 1 || rank == ranks_.end()) return;
  rank->second.speed = 0.7 * rank->second.speed + 0.3 * std::clamp(scale / ratio, 0.1, 10.0);
}

void Scheduler::finish(std::size_t task, double now, bool measured) {
  invariant(running_.contains(task), "task ", task, " ended though it does not run");
  if (measured) measure(running_.at(task), now);
  release(task);
  set_done(task);
}

bool Scheduler::fail(std::size_t task, int culprit) {
  release(task);
  auto& failures = failures_[task];
  failures.push_back(culprit);
  if (failures.size() < attempts) {
    make_ready(task);
    return false;
  }
  fail_with_followers(task);
  return true;
}

void Scheduler::give_back(std::size_t task) {
  release(task);
  make_ready(task);
}

void Scheduler::done_elsewhere(std::size_t task) {
  if (states_[task] == State::waiting) set_done(task);
}

}  // namespace onemask
