#include "eval/bootstrap.hpp"
#include <onemask/core/invariant.hpp>
#include <onemask/core/reserved_names.hpp>
#include <onemask/eval/aggregate.hpp>
#include <onemask/statistics/proportion.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace onemask {
namespace {

constexpr std::size_t kinds = prompt_kind_names.size();  // of prompts
constexpr std::int64_t most_values = 8 * 1024 * 1024;    // in the series that are resampled together
constexpr auto unknown = std::numeric_limits<double>::quiet_NaN();

/// log P per token of an object, in nats.
double true_per_token(PromptMetrics const& row) {
  return row.lp_true / static_cast<double>(row.tokens_true);
}
double new_per_token(PromptMetrics const& row) {
  return row.lp_new / static_cast<double>(row.tokens_new);
}

/// What is averaged over a fact's prompts of one kind.
struct Quantity {
  PromptKind kind;
  char const* name;
  double (*value)(PromptMetrics const&);
  bool share = false;  ///< of yes/no results
};

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// 1 or 0; of a model whose numbers have left their range neither.
double likelier(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? not_a_number : a > b ? 1 : 0;
}

double new_success(PromptMetrics const& row) {
  return likelier(new_per_token(row), true_per_token(row));
}
double true_success(PromptMetrics const& row) {
  return likelier(true_per_token(row), new_per_token(row));
}
double new_magnitude(PromptMetrics const& row) {
  return std::exp(new_per_token(row)) - std::exp(true_per_token(row));
}
double true_magnitude(PromptMetrics const& row) {
  return -new_magnitude(row);
}

/// Of the kinds of prompts that a study has.
std::vector<Quantity> all_quantities(std::set<PromptKind> const& kinds_of_study, EvaluationPlan const& asked) {
  std::vector<Quantity> quantities;
  for (auto const kind : kinds_of_study) {
    auto const add = [&](char const* name, double (*value)(PromptMetrics const&)) { quantities.push_back({kind, name, value}); };
    auto const add_share = [&](char const* name, double (*value)(PromptMetrics const&)) {
      quantities.push_back({kind, name, value, true});
    };
    if (!asks_own_object(kind)) {
      add_share("success", wants_true_object(kind) ? true_success : new_success);
      add("magnitude", wants_true_object(kind) ? true_magnitude : new_magnitude);
      continue;
    }
    add_share("rsr", [](auto const& r) { return likelier(r.lp_true, r.lp_new); });
    add("rsm", [](auto const& r) { return r.lp_true - r.lp_new; });
    add("kl", [](auto const& r) { return r.kl; });
    add_share("top1_changed",
              [](auto const& r) { return std::isnan(r.kl) ? not_a_number : static_cast<double>(r.top1_changed); });
    add("p_true", [](auto const& r) { return std::exp(r.lp_true); });
    add("p_new", [](auto const& r) { return std::exp(r.lp_new); });
    add("overlap5", [](auto const& r) { return r.overlap5; });
    add("overlap10", [](auto const& r) { return r.overlap10; });
    add("overlap100", [](auto const& r) { return r.overlap100; });
    add_share("success", new_success);
    add("magnitude", new_magnitude);
    if (asked.scores_tokens()) {
      add_share("acc_true", [](auto const& r) { return r.acc_true; });
      add_share("acc_new", [](auto const& r) { return r.acc_new; });
      add_share("match", [](auto const& r) { return std::isnan(r.acc_true) ? not_a_number : r.acc_true == 1 ? 1 : 0; });
    }
    if (kind == PromptKind::rewrite && asked.generate > 0) {
      add_share("gen_true", [](auto const& r) { return r.gen_true; });
      add_share("gen_new", [](auto const& r) { return r.gen_new; });
    }
    if (kind == PromptKind::rewrite && asked.entropy > 0) add("entropy", [](auto const& r) { return r.entropy; });
  }
  return quantities;
}

/// Metrics over the facts that have prompts of some kinds: each a mean of one quantity, or all together one harmonic mean.
struct Selection {
  char const* prompts;
  std::vector<PromptKind> kinds;
  std::vector<std::size_t> quantities;
  char const* combined;  ///< name of the harmonic mean; nullptr: a metric for every quantity
};

std::vector<Selection> all_selections(std::vector<Quantity> const& quantities) {
  std::vector<Selection> selections;
  for (auto const& [kind, name] : prompt_kind_names) selections.push_back({name, {kind}, {}, nullptr});
  selections.push_back({"all", {PromptKind::rewrite, PromptKind::paraphrase, PromptKind::neighborhood}, {}, "score"});
  auto& score = selections.back();
  for (std::size_t q = 0; q < quantities.size(); ++q) {
    auto const kind = quantities[q].kind;
    selections[static_cast<std::size_t>(kind)].quantities.push_back(q);
    bool const of_score = std::find(score.kinds.begin(), score.kinds.end(), kind) != score.kinds.end();
    if (of_score && std::string_view(quantities[q].name) == "success") score.quantities.push_back(q);
  }
  return selections;
}

bool has_prompts(FactPlace const& fact, PromptKind kind) {
  return std::find(fact.kinds.begin(), fact.kinds.end(), kind) != fact.kinds.end();
}

/// All that some fact has prompts of.
std::set<PromptKind> kinds_of(std::vector<FactPlace> const& facts) {
  std::set<PromptKind> all;
  for (auto const& fact : facts) all.insert(fact.kinds.begin(), fact.kinds.end());
  return all;
}

/// A group's facts that are averaged together.
struct FactGroup {
  std::string split, relation;
  std::vector<std::size_t> facts;
  std::vector<std::int64_t> planned;  ///< facts by selection
};

std::vector<FactGroup> make_groups(std::vector<FactPlace> const& facts, std::vector<bool> const& left_out,
                                   std::vector<Selection> const& selections) {
  std::vector<FactGroup> groups;
  std::map<std::pair<std::string, std::string>, std::size_t> index;
  auto const add = [&](std::string const& split, std::string const& relation, std::size_t fact) {
    auto const [found, is_new] = index.try_emplace({split, relation}, groups.size());
    if (is_new) groups.push_back({split, relation, {}, std::vector<std::int64_t>(selections.size())});
    auto& group = groups[found->second];
    group.facts.push_back(fact);
    for (std::size_t s = 0; s < selections.size(); ++s) {
      auto const& of = selections[s].kinds;
      group.planned[s] += std::all_of(of.begin(), of.end(), [&](auto kind) { return has_prompts(facts[fact], kind); });
    }
  };
  for (std::size_t f = 0; f < facts.size(); ++f) {
    if (!left_out.empty() && left_out[f]) continue;
    add(facts[f].split, every_relation, f);
    add(facts[f].split, facts[f].relation, f);
  }
  return groups;
}

/// What is known of the facts under one condition.
struct Sums {
  Sums(std::size_t facts, std::size_t quantities) : values(facts * quantities), prompts(facts) {}
  std::vector<double> values;                             ///< [facts, quantities], over prompts
  std::vector<std::array<std::uint32_t, kinds>> prompts;  ///< their numbers
};

/// The facts of a group that a selection's metrics are taken over, under one condition.
struct Series {
  Sums const* sums;
  Selection const* selection;
  std::vector<std::size_t> facts;
  SummaryRow* rows;  ///< of the metrics, one after the other

  std::int64_t count() const { return std::ssize(selection->quantities); }
  std::int64_t length() const { return std::ssize(facts); }
};

/// Means by fact, [quantities, facts], into `out`.
void fill(Series const& series, std::vector<Quantity> const& quantities, double* out) {
  for (std::size_t i = 0; i < series.facts.size(); ++i) {
    auto const fact = series.facts[i];
    for (std::size_t q = 0; q < series.selection->quantities.size(); ++q) {
      auto const quantity = series.selection->quantities[q];
      auto const prompts = series.sums->prompts[fact][static_cast<std::size_t>(quantities[quantity].kind)];
      out[q * series.facts.size() + i] = series.sums->values[fact * quantities.size() + quantity] / prompts;
    }
  }
}

double mean(double const* values, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += values[i];
  return sum / static_cast<double>(n);
}

/// Harmonic mean of numbers that are not negative: 0 where one is.
double harmonic_mean(std::vector<double> const& values) {
  double inverse = 0;
  for (auto const value : values) inverse += 1 / value;
  return static_cast<double>(values.size()) / inverse;
}

/// Means and intervals of a selection's metrics. `values` [quantities, n]; `resampled` [quantities, resamples].
void estimate(Series const& series, std::vector<Quantity> const& quantities, double const* values, double const* resampled) {
  auto const put = [n = series.length()](SummaryRow& row, double value, double const* means, bool share) {
    row.mean = value;
    if (!std::isfinite(value)) return;
    auto const [low, high] = middle(means);
    auto const interval = share ? interval_of_share(value, {low, high}, n) : Interval{low, high};
    row.low = interval.low, row.high = interval.high;
  };
  auto const count = series.count(), n = series.length();
  std::vector<double> means;
  for (std::int64_t q = 0; q < count; ++q) means.push_back(mean(values + q * n, n));
  if (series.selection->combined == nullptr) {
    for (std::int64_t q = 0; q < count; ++q)
      put(series.rows[q], means[static_cast<std::size_t>(q)], resampled + q * Bootstrap::resamples,
          quantities[series.selection->quantities[static_cast<std::size_t>(q)]].share);
    return;
  }
  std::vector<double> combined, parts(means.size());
  for (std::int64_t r = 0; r < Bootstrap::resamples; ++r) {
    for (std::int64_t q = 0; q < count; ++q) parts[static_cast<std::size_t>(q)] = resampled[q * Bootstrap::resamples + r];
    combined.push_back(harmonic_mean(parts));
  }
  put(*series.rows, harmonic_mean(means), combined.data(), false);
}

}  // namespace

struct Aggregator::State {
  State(std::vector<FactPlace> const& of, EvaluationPlan const& asked)
      : quantities(all_quantities(kinds_of(of), asked)), selections(all_selections(quantities)), facts(of) {}

  /// The rows of all metrics under the conditions, without values yet.
  std::vector<SummaryRow> empty_rows() const {
    std::vector<SummaryRow> rows;
    for (auto const& condition : conditions) {
      for (auto const& group : groups) {
        for (std::size_t s = 0; s < selections.size(); ++s) {
          auto const& [prompts, kinds_of, members, combined] = selections[s];
          if (group.planned[s] == 0) continue;
          auto const add = [&](char const* name) {
            rows.push_back(
                {condition, group.split, group.relation, prompts, name, unknown, unknown, unknown, 0, group.planned[s]});
          };
          if (combined != nullptr) add(combined);
          for (std::size_t q = 0; combined == nullptr && q < members.size(); ++q) add(quantities[members[q]].name);
        }
      }
    }
    return rows;
  }

  /// The facts of a group that have prompts of all the selection's kinds.
  std::vector<std::size_t> present(FactGroup const& group, Selection const& selection, Sums const& of) const {
    std::vector<std::size_t> found;
    for (auto const fact : group.facts) {
      auto const& prompts = of.prompts[fact];
      auto const& wanted = selection.kinds;
      if (std::all_of(wanted.begin(), wanted.end(), [&](auto kind) { return prompts[static_cast<std::size_t>(kind)] > 0; }))
        found.push_back(fact);
    }
    return found;
  }

  /// Estimates series of one length, together as far as memory allows.
  void estimate_all(std::vector<Series> const& series) {
    for (std::size_t first = 0, last = 0; first < series.size(); first = last) {
      auto const n = series[first].length();
      std::int64_t count = 0;
      while (last < series.size() && (last == first || (count + series[last].count()) * n <= most_values))
        count += series[last++].count();
      auto const values = at::empty({count, n}, at::kDouble);
      auto* const begin = values.data_ptr<double>();
      auto* out = begin;
      for (auto s = first; s < last; out += series[s++].count() * n) fill(series[s], quantities, out);
      invariant(out == begin + values.numel(), "means of ", out - begin, " facts were made where ", values.numel(),
                " are needed");
      auto const resampled = bootstrap.means(values);
      auto const* means = resampled.data_ptr<double>();
      out = begin;
      for (auto s = first; s < last; out += series[s].count() * n, means += series[s++].count() * Bootstrap::resamples)
        estimate(series[s], quantities, out, means);
    }
  }

  std::vector<Quantity> const quantities;
  std::vector<Selection> const selections;
  std::vector<FactPlace> const facts;
  std::vector<FactGroup> groups;
  Bootstrap bootstrap;
  std::vector<std::string> conditions;
  std::vector<Sums> sums;  // by condition
};

Aggregator::Aggregator(std::vector<FactPlace> const& facts, EvaluationPlan const& asked)
    : state_(std::make_unique<State>(facts, asked)) {}

Aggregator::~Aggregator() = default;

void Aggregator::begin(std::vector<std::string> conditions, std::vector<bool> const& left_out) {
  state_->groups = make_groups(state_->facts, left_out, state_->selections);
  state_->sums.assign(conditions.size(), Sums(state_->facts.size(), state_->quantities.size()));
  state_->conditions = std::move(conditions);
}

void Aggregator::add(PromptMetrics const& row) {
  auto& s = *state_;
  invariant(row.tokens_true > 0 && row.tokens_new > 0, "an object of fact ", row.fact, " has no token");
  auto const condition = static_cast<std::size_t>(row.condition), fact = static_cast<std::size_t>(row.fact);
  if (condition >= s.sums.size() || fact >= s.facts.size()) return;
  auto& sums = s.sums[condition];
  auto* const values = sums.values.data() + fact * s.quantities.size();
  for (auto const q : s.selections[static_cast<std::size_t>(row.kind)].quantities) values[q] += s.quantities[q].value(row);
  ++sums.prompts[fact][static_cast<std::size_t>(row.kind)];
}

std::vector<SummaryRow> Aggregator::end() {
  auto& state = *state_;
  auto rows = state.empty_rows();
  std::vector<SummaryRow*> next;  // row of each condition that comes next
  for (std::size_t c = 0; c < state.conditions.size(); ++c)
    next.push_back(rows.data() + c * (rows.size() / state.conditions.size()));
  for (auto const& group : state.groups) {
    std::map<std::int64_t, std::vector<Series>> by_length;
    for (std::size_t c = 0; c < state.conditions.size(); ++c) {
      for (std::size_t s = 0; s < state.selections.size(); ++s) {
        if (group.planned[s] == 0) continue;
        auto const& selection = state.selections[s];
        Series series{&state.sums[c], &selection, state.present(group, selection, state.sums[c]), next[c]};
        auto const metrics = selection.combined != nullptr ? 1 : series.count();
        invariant(series.length() <= group.planned[s], series.length(), " facts are there of ", group.planned[s],
                  " that are planned");
        for (std::int64_t m = 0; m < metrics; ++m) (next[c]++)->n = series.length();
        if (series.length() > 0) by_length[series.length()].push_back(std::move(series));
      }
    }
    for (auto const& [length, series] : by_length) state.estimate_all(series);
  }
  for (std::size_t c = 0; c < next.size(); ++c) {
    auto const filled = static_cast<std::size_t>(next[c] - rows.data());
    invariant(filled == (c + 1) * (rows.size() / next.size()), "condition ", c, " ends at row ", filled, " of ", rows.size());
  }
  state.sums.clear();
  return rows;
}

std::vector<SummaryRow> aggregate(std::vector<PromptMetrics> const& rows, std::vector<FactPlace> const& facts,
                                  std::vector<std::string> const& conditions, EvaluationPlan const& asked) {
  Aggregator aggregator(facts, asked);
  aggregator.begin(conditions);
  for (auto const& row : rows) aggregator.add(row);
  return aggregator.end();
}

}  // namespace onemask
