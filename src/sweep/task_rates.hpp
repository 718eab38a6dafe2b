#pragma once

#include <onemask/checkpoint/config.hpp>
#include <onemask/plan/task_list.hpp>
#include <onemask/store/journal.hpp>

#include <vector>

namespace onemask {

/// How long a unit of each kind of work takes on one rank: from finished tasks in the journals of this run or one like it; for
/// kinds without any a guess from the model's size, right to a factor of some.
TaskRates task_rates(std::vector<JournalRecord> const& journal, ModelConfig const& model, bool on_gpu);

}  // namespace onemask
