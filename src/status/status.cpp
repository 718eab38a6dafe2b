#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/status/run_state.hpp>
#include <onemask/status/status.hpp>
#include <onemask/store/journal.hpp>
#include <onemask/store/run_folder.hpp>

#include <algorithm>
#include <map>
#include <stdexcept>

#include <nlohmann/json.hpp>

namespace onemask {
namespace {

using Json = nlohmann::ordered_json;

constexpr long long silence = 60;  // [s]; a run that lives writes every few seconds

PartStatus part_of(std::filesystem::path const& file) {
  PartStatus part;
  auto const stem = file.stem().string();
  if (stem != "state") part.name = stem.substr(std::string("state-").size());
  try {
    auto const json = Json::parse(read_file(file));
    part.phase = json.at("phase").get<std::string>();
    part.attempt = json.at("attempt").get<int>();
    part.host = json.at("host").get<std::string>();
    part.process = json.at("process").get<long long>();
    part.started = json.at("started").get<long long>();
    part.updated = json.at("updated").get<long long>();
    part.ranks = json.at("ranks").get<int>();
    part.lost = json.at("lost").get<std::vector<int>>();
    part.seconds = json.at("seconds").get<double>();
    part.seconds_left = json.at("seconds_left").get<double>();
    part.busy = json.at("busy").get<double>();
    for (auto const& kind : json.at("tasks")) {
      part.kinds.push_back({kind.at("kind").get<std::string>(), kind.at("tasks").get<std::size_t>(),
                            kind.at("done_before").get<std::size_t>() + kind.at("done").get<std::size_t>(),
                            kind.at("running").get<std::size_t>(), kind.value("failed", std::size_t{0}),
                            kind.at("share").get<double>()});
    }
  } catch (nlohmann::json::exception const&) {
    throw UserError("The file '" + file.string() + "' does not contain the state of a run. Delete it; a run writes it again.");
  }
  return part;
}

}  // namespace

std::vector<FailedTask> failed_tasks(std::filesystem::path const& journals) {
  auto const records = read_journals(journals);
  std::map<std::string, int> done;  // in which attempt; what failed in it failed before, perhaps on a rank that is read later
  for (auto const& record : records) {
    if (record.status == TaskStatus::done) done[record.task] = record.attempt;
  }
  std::map<std::string, FailedTask> failed;
  for (auto const& record : records) {
    if (record.status == TaskStatus::done) continue;
    auto const last = done.find(record.task);
    if (last != done.end() && record.attempt <= last->second) continue;
    auto& task = failed[record.task];
    task = {record.task, record.note, record.host, record.rank, task.times + 1};
  }
  std::vector<FailedTask> list;
  for (auto& [id, task] : failed) list.push_back(std::move(task));
  return list;
}

std::optional<PartStatus> last_state(std::filesystem::path const& folder, std::string const& part) {
  auto const file = state_file(folder, part);
  if (!std::filesystem::exists(file)) return std::nullopt;
  try {
    return part_of(file);
  } catch (std::runtime_error const&) {
    return std::nullopt;  // as if it had never been there
  }
}

bool PartStatus::silent(long long now) const {
  return phase == "running" && now - updated > silence;
}

RunStatus read_status(std::filesystem::path const& folder) {
  RunStatus status;
  auto const plan = folder / "plan.json";
  if (!std::filesystem::exists(plan) && is_any_at_work(folder)) {
    throw UserError(
        "The run in '" + folder.string() +
        "' has begun, but has no plan yet: it loads the model, or scores the facts that it chooses among. Ask again.");
  }
  if (!std::filesystem::exists(plan))
    throw UserError("The folder '" + folder.string() + "' holds no run: it has no plan.json. Name the folder given to --out.");
  try {
    auto const json = Json::parse(read_file(plan));
    status.plan = json.at("id").get<std::string>();
    status.name = json.at("name").get<std::string>();
    status.facts = json.at("facts").get<std::size_t>();
  } catch (nlohmann::json::exception const&) {
    throw UserError("The file '" + plan.string() + "' is not a plan of this version of onemask.");
  }
  for (auto const& entry : std::filesystem::directory_iterator(folder)) {
    auto const name = entry.path().filename().string();
    if (name == "state.json" || (name.starts_with("state-") && name.ends_with(".json")))
      status.parts.push_back(part_of(entry.path()));
  }
  std::sort(status.parts.begin(), status.parts.end(), [](auto const& a, auto const& b) { return a.name < b.name; });
  status.failed = failed_tasks(folder / "journal");
  return status;
}

}  // namespace onemask
