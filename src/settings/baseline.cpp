#include <onemask/settings/baseline.hpp>
#include <onemask/settings/make_field.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/core.h>

namespace onemask {
namespace {

using Score = BaselineScore;

/// Scores that are computed from a prompt of the fact, or change its own edited matrix.
bool is_of_one_fact(Score score) {
  return score == Score::activation || score == Score::activation_signed || score == Score::gradient ||
         score == Score::bottom_rank || score == Score::shrink;
}

/// "1..15" of whole numbers.
std::optional<std::vector<double>> range_of(std::string const& text) {
  auto const dots = text.find("..");
  int first = 0, last = 0;
  auto const reads = [](std::string_view part, int& number) {
    auto const [end, error] = std::from_chars(part.data(), part.data() + part.size(), number);
    return error == std::errc() && end == part.data() + part.size();
  };
  std::string_view const all = text;
  if (dots == std::string::npos || !reads(all.substr(0, dots), first) || !reads(all.substr(dots + 2), last)) return std::nullopt;
  if (first > last || last - first >= 1000) return std::nullopt;
  std::vector<double> numbers;
  for (int i = first; i <= last; ++i) numbers.push_back(i);
  return numbers;
}

std::optional<std::vector<double>> numbers_of(YamlValue const& value) {
  if (!value.is_list()) {
    if (auto const number = value.as<double>()) return std::vector{*number};
    auto const text = value.as<std::string>();
    return text ? range_of(*text) : std::nullopt;
  }
  std::vector<double> numbers;
  for (auto const& element : value.elements()) {
    auto const number = element.as<double>();
    if (!number) return std::nullopt;
    numbers.push_back(*number);
  }
  if (numbers.empty()) return std::nullopt;
  return numbers;
}

/// The key that says how much of a score's change is made, and its values.
struct AmountKey {
  char const* name;
  Bounds bounds;
  bool whole;
};

AmountKey amount_key(Score score) {
  if (score == Score::bottom_rank)
    return {
        "k", {.least = 1, .most = most_components, .words = fmt::format("whole numbers from 1 to {}", most_components)}, true};
  if (score == Score::shrink) return {"alpha", {.words = "finite numbers"}, false};
  return {"zeros", {.least = 0, .most = 1, .with_least = false, .words = "shares above 0 and at most 1"}, false};
}

/// Reads the value that one of the names has, where the key is there.
template <typename Value, std::size_t count>
std::string read_name(YamlValue const& entry, char const* key, std::array<Named<Value>, count> const& names, Value& value) {
  if (!entry.has(key)) return "";
  auto const text = entry.at(key).as<std::string>();
  auto const found = text ? value_of(names, *text) : std::nullopt;
  if (!found) return fmt::format("has the {} '{}'; known are {}", key, entry.at(key).text(), all_names(names));
  value = *found;
  return "";
}

std::string read_mapping(std::vector<Baseline>& baselines, YamlValue const& entry) {
  constexpr std::array keys{"score", "scope", "fill", "zeros", "k", "alpha"};
  for (auto const& key : entry.keys()) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end())
      return fmt::format("has the key '{}'; known are score, scope, fill, zeros, k and alpha", key);
  }
  Baseline baseline;
  if (!entry.has("score")) return "has an entry without 'score'; known are " + all_names(baseline_score_names);
  auto problem = read_name(entry, "score", baseline_score_names, baseline.score);
  if (!problem.empty()) return problem;
  auto const name = name_of(baseline_score_names, baseline.score);
  if (is_of_one_fact(baseline.score)) baseline.scope = BaselineScope::fact;
  problem = read_name(entry, "scope", baseline_scope_names, baseline.scope);
  if (problem.empty()) problem = read_name(entry, "fill", fill_names, baseline.fill);
  if (!problem.empty()) return problem;
  if (is_of_one_fact(baseline.score) && baseline.scope == BaselineScope::shared)
    return fmt::format("asks for '{}' with scope: shared, but it differs from fact to fact; set scope: fact", name);
  if (!prunes(baseline) && entry.has("fill")) return fmt::format("gives '{}' a 'fill', but it prunes no entry; remove it", name);
  auto const amount = amount_key(baseline.score);
  for (auto const* key : {"zeros", "k", "alpha"}) {
    if (entry.has(key) && std::string_view(key) != amount.name)
      return fmt::format("gives '{}' the key '{}', which decides nothing there; remove it", name, key);
  }
  if (!entry.has(amount.name)) {
    if (!prunes(baseline)) return fmt::format("must give '{}' the key '{}': {}", name, amount.name, amount.bounds.words);
    baselines.push_back(baseline);
    return "";
  }
  auto const numbers = numbers_of(entry.at(amount.name));
  auto const is_fine = [&](double number) {
    return amount.bounds.hold(number) && (!amount.whole || number == std::floor(number));
  };
  if (!numbers || !std::all_of(numbers->begin(), numbers->end(), is_fine))
    return fmt::format("gives '{}' {}: {}; it must be {}", name, amount.name, entry.at(amount.name).text(), amount.bounds.words);
  for (auto const number : *numbers) {
    baseline.amount = number;
    baselines.push_back(baseline);
  }
  return "";
}

}  // namespace

bool is_plain(Baseline const& baseline) {
  bool const named =
      baseline.score == Score::random || baseline.score == Score::magnitude || baseline.score == Score::delta_magnitude;
  return named && baseline == Baseline{baseline.score};
}

ConditionKind condition_kind_of(Baseline const& baseline) {
  if (baseline.score == Score::bottom_rank) return ConditionKind::bottom_rank;
  if (baseline.score == Score::shrink) return ConditionKind::shrunk;
  return is_plain(baseline) ? *value_of(condition_kind_names, name_of(baseline_score_names, baseline.score))
                            : ConditionKind::pruned;
}

bool belongs_to_mask(Baseline const& baseline) {
  return baseline.scope == BaselineScope::shared || !baseline.amount;
}

std::string describe(Baseline const& baseline) {
  auto text = name_of(baseline_score_names, baseline.score);
  std::replace(text.begin(), text.end(), '_', ' ');
  if (baseline.score == Score::bottom_rank) return text + ", k " + yaml_text(*baseline.amount);
  if (baseline.score == Score::shrink) return text + ", alpha " + yaml_text(*baseline.amount);
  if (baseline.scope == BaselineScope::fact) text += " per fact";
  if (baseline.amount) text += ", zeros " + yaml_text(*baseline.amount);
  if (baseline.fill == Fill::original) text += ", fill original";
  return text;
}

std::string yaml_text(Baseline const& baseline) {
  auto const name = name_of(baseline_score_names, baseline.score);
  if (is_plain(baseline)) return name;
  auto text = "{score: " + name + ", scope: " + name_of(baseline_scope_names, baseline.scope);
  if (prunes(baseline)) text += ", fill: " + name_of(fill_names, baseline.fill);
  if (baseline.amount) text += fmt::format(", {}: {}", amount_key(baseline.score).name, yaml_text(*baseline.amount));
  return text + "}";
}

std::int64_t pruned_entries(Baseline const& baseline, std::int64_t rows, std::int64_t columns, std::int64_t of_mask) {
  if (!prunes(baseline)) return 0;
  auto const share = baseline.amount ? *baseline.amount * static_cast<double>(rows * columns) : static_cast<double>(of_mask);
  std::int64_t line = 1;
  switch (baseline.score) {
    case Score::magnitude_rows:
      line = columns;
      break;
    case Score::magnitude_columns:
    case Score::activation:
    case Score::activation_signed:
    case Score::magnitude_per_row:  // one more of every row
      line = rows;
      break;
    default:
      break;
  }
  return line * std::llround(share / static_cast<double>(line));
}

std::string read_baselines(std::vector<Baseline>& baselines, YamlValue const& value) {
  if (!value.is_list()) return value.no_value_of<std::vector<std::string>>();
  std::vector<Baseline> read;
  for (auto const& entry : value.elements()) {
    if (entry.is_mapping()) {
      auto const problem = read_mapping(read, entry);
      if (!problem.empty()) return problem;
      continue;
    }
    auto const plain = value_of(baseline_names, entry.text());
    if (!plain)
      return fmt::format("names '{}'; known are {}, and others as {{score: NAME, …}}", entry.text(), all_names(baseline_names));
    read.push_back({*value_of(baseline_score_names, entry.text())});
  }
  for (auto baseline = read.begin(); baseline != read.end(); ++baseline) {
    if (std::find(read.begin(), baseline, *baseline) != baseline) return "names '" + describe(*baseline) + "' twice";
  }
  baselines = std::move(read);
  return "";
}

}  // namespace onemask
