#include "sweep/task_rates.hpp"

#include <stdexcept>

namespace onemask {
namespace {

/// Seconds of a unit by operations, with everyday lengths of prompts and contexts.
std::array<double, task_kinds> guessed(ModelConfig const& model, bool on_gpu) {
  double const speed = on_gpu ? 2e13 : 3e10;  // operations a second that such work reaches
  auto const hidden = static_cast<double>(model.hidden), inner = static_cast<double>(model.inner);
  double const token = 2 * static_cast<double>(model.layers) * (4 * hidden * hidden + 2 * hidden * inner);
  double const logits = 2 * hidden * static_cast<double>(model.vocabulary);
  std::array<double, task_kinds> operations{};
  operations[static_cast<std::size_t>(TaskKind::moments)] = token / 2 + inner * inner;
  operations[static_cast<std::size_t>(TaskKind::null_space)] = 10 * inner * inner * inner;
  operations[static_cast<std::size_t>(TaskKind::edit)] = 21 * (4 * token + 3 * logits);
  operations[static_cast<std::size_t>(TaskKind::batch_edit)] = 100 * token + 4 * inner * inner * 100;
  operations[static_cast<std::size_t>(TaskKind::mask)] = 3 * (12 * token + 3 * logits);
  operations[static_cast<std::size_t>(TaskKind::evaluation)] = 10 * token + 2 * logits;
  operations[static_cast<std::size_t>(TaskKind::perplexity)] = token + logits;
  operations[static_cast<std::size_t>(TaskKind::masked_edit)] = operations[static_cast<std::size_t>(TaskKind::edit)];
  operations[static_cast<std::size_t>(TaskKind::masked_values)] = operations[static_cast<std::size_t>(TaskKind::edit)];
  operations[static_cast<std::size_t>(TaskKind::masked_solve)] = operations[static_cast<std::size_t>(TaskKind::batch_edit)];
  operations[static_cast<std::size_t>(TaskKind::injection)] = operations[static_cast<std::size_t>(TaskKind::evaluation)];
  // Eight places and all layers to restore, each of which runs about four tokens through half of the model.
  operations[static_cast<std::size_t>(TaskKind::tracing)] = 8 * static_cast<double>(model.layers) * (2 * token + logits);
  operations[static_cast<std::size_t>(TaskKind::analysis)] = 12 * token + 2 * static_cast<double>(model.layers) * logits;
  for (auto& each : operations) each /= speed;
  return operations;
}

}  // namespace

TaskRates task_rates(std::vector<JournalRecord> const& journal, ModelConfig const& model, bool on_gpu) {
  TaskRates rates{guessed(model, on_gpu), {}};
  std::array<double, task_kinds> seconds{}, units{};
  for (auto const& record : journal) {
    if (record.status != TaskStatus::done || record.units <= 0 || record.seconds <= 0) continue;
    std::size_t kind = 0;
    try {
      kind = static_cast<std::size_t>(kind_of_id(record.task));
    } catch (std::out_of_range const&) {
      continue;  // of another version
    }
    seconds[kind] += record.seconds * record.ranks;
    units[kind] += record.units;
    ++rates.measured[kind];
  }
  for (std::size_t kind = 0; kind < task_kinds; ++kind) {
    if (rates.measured[kind] > 0) rates.seconds[kind] = seconds[kind] / units[kind];
  }
  return rates;
}

}  // namespace onemask
