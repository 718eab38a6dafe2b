#include "report/comparison_overview.hpp"

#include "report/cells.hpp"
#include "report/summary.hpp"
#include <onemask/core/error.hpp>
#include <onemask/report/comparison.hpp>

#include <algorithm>
#include <array>

#include <fmt/core.h>

namespace onemask {
namespace {

constexpr std::array compared_kinds{ConditionKind::edited, ConditionKind::random, ConditionKind::magnitude,
                                    ConditionKind::delta_magnitude, ConditionKind::dropped};

bool has_kind(Summary const& summary, ConditionKind kind) {
  return std::any_of(summary.edits().begin(), summary.edits().end(), [&](auto const& edits) {
    return std::any_of(edits.kinds.begin(), edits.kinds.end(), [&](auto const& of) { return of.kind == kind; });
  });
}

/// Whether there are masks of several sizes.
bool has_sizes(Summary const& summary) {
  for (auto const& edits : summary.edits()) {
    for (auto const& kind : edits.kinds) {
      if (kind.settings.find("mask.zeros=") != std::string::npos || kind.settings.find("mask.threshold=") != std::string::npos)
        return true;
    }
  }
  return false;
}

std::string mean_in_percent(ComparedMean const& value) {
  return fmt::format("{} [{}, {}]", percent(value.mean), percent(value.interval.low), percent(value.interval.high));
}

constexpr char const* definitions_of_overview =
    "[low, high]: 95 % interval; of differences by Newcombe's method for one mask, else by the bootstrap over facts and seeds.\n"
    "Holm's p: all lines of all tables here are judged together by it, at 0.05.\n";

}  // namespace

std::vector<DocumentBlock> comparison_overview(StudyFile const& study) {
  Summary const summary(study);
  std::vector<Comparison> comparisons;
  bool const told = study.tables.contains("metrics") && has_kind(summary, ConditionKind::mask) && !has_sizes(summary);
  for (auto const kind : compared_kinds) {
    if (!told || !has_kind(summary, kind)) continue;
    try {
      auto const more =
          compare(study, {.a = to_string(ConditionKind::mask), .b = to_string(kind), .splits = {}, .metrics = {"rsr"}});
      comparisons.insert(comparisons.end(), more.begin(), more.end());
    } catch (UserError const&) {
      // A run in progress may have no fact yet that is scored under both.
    }
  }
  std::vector<double> p;
  for (auto const& one : comparisons) p.push_back(one.p);
  auto const adjusted = holm(p);
  for (std::size_t i = 0; i < comparisons.size(); ++i) comparisons[i].p_holm = adjusted[i];

  std::vector<DocumentBlock> blocks;
  for (auto const& edits : summary.edits()) {
    std::vector<std::string> told_of;
    TextTable table;
    table.add({"against", "mask %", "other %", "difference, points", "test", "p", "Holm's p", "n/planned"});
    for (auto const& first : comparisons) {
      auto const name = "split " + first.split + ": " + first.a;
      if (first.edits != edits.edits || std::find(told_of.begin(), told_of.end(), name) != told_of.end()) continue;
      told_of.push_back(name);
      table.add({name});
      for (auto const& c : comparisons) {
        if (c.edits != first.edits || c.split != first.split || c.a != first.a) continue;
        table.add({"  " + c.b, mean_in_percent(c.mean_a), mean_in_percent(c.mean_b), mean_in_percent(c.difference), c.test,
                   p_text(c.p), p_text(c.p_holm), fmt::format("{}/{}", c.n, c.planned)});
      }
    }
    if (!told_of.empty())
      blocks.push_back(
          {"RSR of masks against other models" + (edits.edits.empty() ? "" : ", " + edits.edits), std::move(table), ""});
  }
  if (!blocks.empty()) blocks.push_back({"", {}, definitions_of_overview});
  return blocks;
}

}  // namespace onemask
