#include "tune/measured_rate.hpp"

#include <onemask/core/error.hpp>
#include <onemask/plan/task_list.hpp>

#include <algorithm>
#include <map>
#include <string>

namespace onemask {

MeasuredRate rate_of(std::vector<JournalRecord> const& records, int attempt, double wall, int ranks) {
  std::map<std::string, double> seconds;  // by task: one that was lost is done again
  std::map<int, double> busy;             // in the last start, by rank
  for (auto const& record : records) {
    if (record.attempt == attempt) busy[record.rank] += record.seconds;
    if (record.status != TaskStatus::done) continue;
    auto const kind = kind_of_id(record.task);
    if (kind != TaskKind::moments && kind != TaskKind::null_space) seconds[record.task] = record.seconds * record.ranks;
  }
  double unit = 0, busiest = 0;
  for (auto const& [task, own] : seconds) unit += own;
  for (auto const& [rank, own] : busy) busiest = std::max(busiest, own);
  if (unit <= 0) throw UserError("The run that measures the rate has a journal without times. Use another folder for --out.");
  return {unit, std::max(0.0, wall - busiest), ranks};
}

}  // namespace onemask
