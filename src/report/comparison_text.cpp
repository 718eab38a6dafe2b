#include "report/cells.hpp"
#include "report/study_parts.hpp"
#include <onemask/core/text.hpp>
#include <onemask/report/comparison.hpp>
#include <onemask/report/text_table.hpp>
#include <onemask/statistics/paired_tests.hpp>

#include <cmath>
#include <tuple>

#include <fmt/core.h>

namespace onemask {
namespace {

constexpr std::size_t few_seeds = 5;

std::string value_text(double value, bool yes_no) {
  if (!std::isfinite(value)) return "-";
  return yes_no ? percent(value) : fmt::format("{:.3g}", value);
}

std::string mean_text(ComparedMean const& value, bool yes_no) {
  return fmt::format("{} [{}, {}]", value_text(value.mean, yes_no), value_text(value.interval.low, yes_no),
                     value_text(value.interval.high, yes_no));
}

/// "8 of 100 facts more [2, 14]"
std::string facts_text(Comparison const& c) {
  auto const sign = c.difference.mean < 0 ? -1.0 : 1.0;
  auto const n = static_cast<double>(c.n);
  auto const count = [&](double share) { return fmt::format("{}", std::round(10 * sign * n * share) / 10 + 0.0); };
  auto low = count(c.difference.interval.low), high = count(c.difference.interval.high);
  if (sign < 0) std::swap(low, high);
  return fmt::format("{} of {} facts {} [{}, {}]", count(c.difference.mean), c.n, sign < 0 ? "fewer" : "more", low, high);
}

std::string subset_text(FactSubset facts) {
  return facts == FactSubset::known  ? ", facts that the unedited model knows"
         : facts == FactSubset::took ? ", facts whose edit took"
                                     : "";
}

/// What a line of a table cannot hold.
std::string detail(Comparison const& c) {
  if (!c.counts)
    return c.yes_no ? ""
                    : fmt::format("{}: median {}, {}, of a - b {}; rank-biserial correlation {:.3f}, d_z {} [{}, {}].", c.metric,
                                  value_text(c.mean_a.median, false), value_text(c.mean_b.median, false),
                                  value_text(c.difference.median, false), c.rank_biserial, value_text(c.dz, false),
                                  value_text(c.dz_interval.low, false), value_text(c.dz_interval.high, false));
  auto const& counts = *c.counts;
  return fmt::format("{}: both {}, only a {}, only b {}, neither {}{}.", c.metric, counts.both, counts.only_a, counts.only_b,
                     counts.neither, c.seeds > 1 ? fmt::format(", of {} pairs of a fact and a seed", counts.n()) : "");
}

auto named_by(Comparison const& c) {
  return std::tie(c.edits, c.split, c.a, c.b);
}

/// Whether p comes from the bootstrap, where facts and seeds are not all independent.
bool by_bootstrap(Comparison const& c) {
  return c.seeds > 1 || c.relations > 0;
}

std::string heading(Comparison const& c, ComparisonRequest const& request) {
  return fmt::format("Split {}{}, {} prompts{}: {} (a) against {} (b){}{}", c.split, c.edits.empty() ? "" : ", " + c.edits,
                     request.prompts, subset_text(request.facts), c.a, c.b,
                     c.seeds_planned > 1 ? fmt::format(", {} of {} seeds", c.seeds, c.seeds_planned) : "",
                     c.relations > 0 ? fmt::format(", {} relations resampled", c.relations) : "");
}

constexpr char const* definitions_of_comparisons =
    "[low, high]: 95 % interval. Yes/no scores in %. Holm's p: all comparisons above are judged together by it, at 0.05.\n"
    "effective n: independent scores whose mean would be as uncertain as a - b.\n"
    "One model of each: Clopper-Pearson's and Newcombe's intervals, McNemar's test; or bootstrap intervals, Wilcoxon's test.\n"
    "two-way bootstrap: over facts and seeds together, for intervals and p. Yes/no scores that agree for all facts have the\n"
    "intervals of one model.\n";

}  // namespace

std::string verdict(Comparison const& c) {
  auto const p = fmt::format(" (p = {} after Holm{})", p_text(c.p_holm),
                             by_bootstrap(c) ? fmt::format(", effective n {:.0f}", c.effective_n) : "");
  auto const difference = mean_text(c.difference, c.yes_no) + (c.yes_no ? " points" : "");
  if (!(c.p_holm < error_rate))
    return fmt::format("No difference in {} between {} and {} can be told from n = {} facts: {}{}.", c.metric, c.a, c.b, c.n,
                       difference, p);
  if (c.metric == "rsr") return fmt::format("{} gives back {} than {}{}.", c.a, facts_text(c), c.b, p);
  if (c.yes_no) return fmt::format("{} holds for {} under {} than under {}{}.", c.metric, facts_text(c), c.a, c.b, p);
  // What Wilcoxon's test finds is the direction of the ranks, which the mean may not share.
  auto const higher = c.test.starts_with("Wilcoxon") ? c.rank_biserial > 0 : c.difference.mean > 0;
  return fmt::format("{} is mostly {} under {} than under {}, by {} on average{}.", c.metric, higher ? "higher" : "lower", c.a,
                     c.b, difference, p);
}

std::string format_comparisons(StudyFile const& study, ComparisonRequest const& request,
                               std::vector<Comparison> const& comparisons) {
  auto text = status_line(study);
  bool few = false;
  for (auto first = comparisons.begin(), last = first; first != comparisons.end(); first = last) {
    text += "\n" + wrapped(heading(*first, request), line_width);
    TextTable table;
    table.add({"score", "a", "b", "a - b", "test", "p", "Holm's p", "n/planned"});
    std::string details, verdicts;
    for (; last != comparisons.end() && named_by(*last) == named_by(*first); ++last) {
      auto const& c = *last;
      table.add({c.metric + (c.yes_no ? " %" : ""), mean_text(c.mean_a, c.yes_no), mean_text(c.mean_b, c.yes_no),
                 mean_text(c.difference, c.yes_no), c.test, p_text(c.p), p_text(c.p_holm), fmt::format("{}/{}", c.n, c.planned)});
      if (auto const line = detail(c); !line.empty()) details += wrapped(line, line_width);
      verdicts += wrapped(verdict(c), line_width);
      few = few || (c.seeds > 1 && c.seeds < few_seeds);
    }
    text += table.text() + details + verdicts;
  }
  text += "\n" + std::string(definitions_of_comparisons);
  if (few)
    text += wrapped(
        fmt::format("Fewer than {} seeds say little about other seeds: their intervals are rather too narrow.", few_seeds),
        line_width);
  return text;
}

Table comparison_table(StudyFile const& study, ComparisonRequest const& request, std::vector<Comparison> const& comparisons) {
  Table table;
  auto const add = [&](std::string const& name, auto value) {
    std::vector<decltype(value(comparisons.front()))> values;
    for (auto const& c : comparisons) values.push_back(value(c));
    table.columns.emplace_back(name, std::move(values));
  };
  auto const mean = [&](std::string const& name, ComparedMean Comparison::*member) {
    add("mean" + name, [=](auto const& c) { return (c.*member).mean; });
    add("low" + name, [=](auto const& c) { return (c.*member).interval.low; });
    add("high" + name, [=](auto const& c) { return (c.*member).interval.high; });
    add("median" + name, [=](auto const& c) { return (c.*member).median; });
  };
  auto const status = need_status(study);
  add("status", [&](auto const&) { return status; });
  add("set", [](auto const& c) { return c.edits; });
  add("split", [](auto const& c) { return c.split; });
  add("prompts", [&](auto const&) { return request.prompts; });
  add("facts", [&](auto const&) { return name_of(fact_subset_names, request.facts); });
  add("a", [](auto const& c) { return c.a; });
  add("b", [](auto const& c) { return c.b; });
  add("metric", [](auto const& c) { return c.metric; });
  mean("_a", &Comparison::mean_a), mean("_b", &Comparison::mean_b), mean("", &Comparison::difference);
  auto const count = [&](char const* name, std::int64_t PairedCounts::*member) {
    add(name, [=](auto const& c) { return c.counts ? (*c.counts).*member : std::int64_t{-1}; });
  };
  count("both", &PairedCounts::both), count("only_a", &PairedCounts::only_a);
  count("only_b", &PairedCounts::only_b), count("neither", &PairedCounts::neither);
  add("rank_biserial", [](auto const& c) { return c.rank_biserial; });
  add("dz", [](auto const& c) { return c.dz; });
  add("dz_low", [](auto const& c) { return c.dz_interval.low; });
  add("dz_high", [](auto const& c) { return c.dz_interval.high; });
  add("test", [](auto const& c) { return c.test; });
  add("p", [](auto const& c) { return c.p; });
  add("p_holm", [](auto const& c) { return c.p_holm; });
  add("n", [](auto const& c) { return c.n; });
  add("planned", [](auto const& c) { return c.planned; });
  add("seeds", [](auto const& c) { return static_cast<std::int64_t>(c.seeds); });
  add("seeds_planned", [](auto const& c) { return static_cast<std::int64_t>(c.seeds_planned); });
  add("relations", [](auto const& c) { return static_cast<std::int64_t>(c.relations); });
  add("effective_n", [](auto const& c) { return c.effective_n; });
  add("verdict", [](auto const& c) { return verdict(c); });
  return table;
}

}  // namespace onemask
