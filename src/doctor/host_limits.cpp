#include "doctor/rank_facts.hpp"
#include <onemask/core/text.hpp>

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>

namespace onemask {
namespace {

namespace fs = std::filesystem;

constexpr auto kNoLimit = std::numeric_limits<double>::infinity();

/// The number behind `name`, as in "MemTotal:  32 kB"; `absent` where there is none.
double entry(fs::path const& file, std::string const& name, double absent) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string key;
    double value = 0;
    if (words >> key >> value && key == name) return value;
  }
  return absent;
}

/// The first number of a file; `absent` where there is none, as in "max".
double number(fs::path const& file, double absent) {
  std::ifstream in(file);
  double value = 0;
  return in >> value ? value : absent;
}

/// The folders of this process's control groups and of those around them, of both versions, that may limit `controller`.
std::vector<fs::path> groups(fs::path const& root, std::string const& controller) {
  std::vector<fs::path> folders;
  std::ifstream in(root / "proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    auto const parts = split_text(line, ':');
    if (parts.size() < 3) continue;
    auto const names = split_text(parts[1], ',');
    bool const second = parts[1].empty();
    if (!second && std::find(names.begin(), names.end(), controller) == names.end()) continue;
    auto const top = root / "sys/fs/cgroup" / (second ? "" : controller);
    for (auto path = fs::path(parts[2]).relative_path();; path = path.parent_path()) {
      folders.push_back(top / path);
      if (path.empty()) break;
    }
  }
  return folders;
}

}  // namespace

Memory memory_of(fs::path const& root) {
  auto const info = root / "proc/meminfo";
  auto size = 1024 * entry(info, "MemTotal:", 0);
  auto available = 1024 * entry(info, "MemAvailable:", 0);
  for (auto const& group : groups(root, "memory")) {
    bool const second = fs::exists(group / "memory.max");
    auto const limit = number(group / (second ? "memory.max" : "memory.limit_in_bytes"), kNoLimit);
    if (limit >= size) continue;
    auto const used = number(group / (second ? "memory.current" : "memory.usage_in_bytes"), 0);
    auto const cached = entry(group / "memory.stat", second ? "file" : "total_cache", 0);  // given up when needed
    size = limit;
    available = std::clamp(limit - std::max(used - cached, 0.0), 0.0, available);
  }
  return {static_cast<std::uint64_t>(size), static_cast<std::uint64_t>(available)};
}

double core_quota(fs::path const& root) {
  auto least = kNoLimit;
  for (auto const& group : groups(root, "cpu")) {
    std::ifstream both(group / "cpu.max");  // "200000 100000" [us], or "max 100000"
    double quota = 0, period = 0;
    if (!(both >> quota >> period)) {
      quota = number(group / "cpu.cfs_quota_us", 0);
      period = number(group / "cpu.cfs_period_us", 0);
    }
    if (quota > 0 && period > 0) least = std::min(least, quota / period);
  }
  return least == kNoLimit ? 0 : least;
}

}  // namespace onemask
