#include "report/changes_at_zeros.hpp"

#include "report/cells.hpp"
#include <onemask/statistics/resampling.hpp>

#include <cmath>

#include <fmt/core.h>

namespace onemask {
namespace {

/// The mean size of entries in units that leave few zeros behind the point.
std::string thousandths(double value) {
  return std::isfinite(value) ? fmt::format("{:.3g}", 1000 * value) : "-";
}

double mean_over(std::vector<double> const& values) {
  return SeededScores{1, values}.mean();
}

}  // namespace

TextTable changes_at_zeros(MaskObjects const& objects, std::string const& layers) {
  TextTable table;
  std::vector<std::string> head{"mask, split", "|dW|",      "at zeros",     "energy %", "95 % interval",
                                "by chance %", "n/planned", "mean size dW", "elsewhere"};
  if (!objects.weights.empty()) head.insert(head.end(), {"mean size W", "elsewhere"});
  table.add(std::move(head));
  for (auto const& changes : objects.changes) {
    if (changes.layers != layers || changes.norm.empty()) continue;
    SeededScores energy;
    for (std::size_t i = 0; i < changes.norm.size(); ++i) {
      auto const share = changes.at_zeros[i] / changes.norm[i];
      energy.values.push_back(share * share);
    }
    auto const range = interval_of_mean(energy);
    auto const edits = changes.edits.empty() ? "" : ", " + changes.edits;
    std::vector<std::string> cells{changes.mask + edits + ", " + changes.split,
                                   number(mean_over(changes.norm), 2),
                                   number(mean_over(changes.at_zeros), 2),
                                   percent(energy.mean()),
                                   fmt::format("[{}, {}]", percent(range.low), percent(range.high)),
                                   percent(changes.zeros),
                                   fmt::format("{}/{}", changes.norm.size(), changes.planned),
                                   thousandths(mean_over(changes.size_at_zeros)),
                                   thousandths(mean_over(changes.size_elsewhere))};
    if (auto const found = objects.weights.find(changes.mask); found != objects.weights.end()) {
      cells.push_back(thousandths(found->second.at_zeros));
      cells.push_back(thousandths(found->second.elsewhere));
    }
    table.add(std::move(cells));
  }
  return table;
}

}  // namespace onemask
