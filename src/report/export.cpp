#include "report/finding.hpp"
#include "report/injection.hpp"
#include "report/known.hpp"
#include "report/study_parts.hpp"
#include <onemask/core/text.hpp>
#include <onemask/report/export.hpp>

#include <array>
#include <charconv>
#include <limits>

#include <nlohmann/json.hpp>

namespace onemask {
namespace {

/// Adds the rows of another table, which has the same columns.
void append(Table& table, Table const& more) {
  for (auto& [name, column] : table.columns) {
    auto const add = [&, &key = name](auto& values) {
      auto const& other = more.values<typename std::decay_t<decltype(values)>::value_type>(key);
      values.insert(values.end(), other.begin(), other.end());
    };
    std::visit(add, column);
  }
}

/// The table "summary", and what is added to it when it is read.
Table whole_summary(StudyFile const& study) {
  auto table = need_table(study, "summary");
  if (study.tables.contains(whole_training_table)) append(table, need_table(study, whole_training_table));
  return table;
}

nlohmann::ordered_json records(Table const& table) {
  auto list = nlohmann::ordered_json::array();
  for (std::size_t row = 0; row < table.rows(); ++row) {
    nlohmann::ordered_json record;
    for (auto const& [name, column] : table.columns) {
      std::visit([&, &key = name](auto const& values) { record[key] = values[row]; }, column);
    }
    list.push_back(std::move(record));
  }
  return list;
}

std::string text_of(nlohmann::ordered_json const& json) {
  return json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

std::string csv_field(std::string const& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (char const letter : text) quoted += letter == '"' ? std::string("\"\"") : std::string(1, letter);
  return quoted + '"';
}

std::string csv_field(std::int64_t value) {
  return std::to_string(value);
}

std::string csv_field(double value) {
  std::array<char, 32> digits;
  auto const end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  return {digits.data(), end};
}

/// A share as a row of the summary: of the unedited model, by its rewrite prompts and those that the split's test reads besides.
std::string csv_field_of(KnownShare const& share, std::string const& column) {
  constexpr auto none = std::numeric_limits<double>::quiet_NaN();
  if (column == "condition") return csv_field(to_string(ConditionKind::original));
  if (column == "split") return csv_field(share.group.split);
  if (column == "relation") return csv_field(share.group.relation);
  if (column == "prompts") return csv_field(std::string(share.paraphrases ? "all" : "rewrite"));
  if (column == "metric") return csv_field(share.metric);
  if (column == "mean") return csv_field(share.mean);
  if (column == "n") return csv_field(share.n);
  if (column == "planned") return csv_field(share.planned);
  return csv_field(none);
}

}  // namespace

std::string to_json(StudyFile const& study) {
  nlohmann::ordered_json result;
  result["attributes"] = study.attributes;
  result["conditions"] = records(need_table(study, "conditions"));
  result["summary"] = records(whole_summary(study));
  if (study.tables.contains("perplexity")) result["perplexity"] = records(need_table(study, "perplexity"));
  if (study.tables.contains("published")) result["published"] = records(need_table(study, "published"));
  if (study.tables.contains("known")) result["known"] = records(need_table(study, "known"));
  if (study.tables.contains("injections")) result["injections"] = records(injection_summary(study));
  result["finding"] = findings(study);
  if (study.tables.contains(stages_table)) result["stages"] = records(need_table(study, stages_table));
  if (study.tables.contains(objects_table)) result["objects"] = records(need_table(study, objects_table));
  return text_of(result);
}

std::string to_json(Table const& table) {
  return text_of(records(table));
}

std::string to_csv(Table const& table) {
  auto lines = join(table.columns, ",", [](auto const& column) { return csv_field(column.first); }) + '\n';
  for (std::size_t row = 0; row < table.rows(); ++row) {
    lines += join(table.columns, ",", [row](auto const& column) {
      return std::visit([row](auto const& values) { return csv_field(values[row]); }, column.second);
    });
    lines += '\n';
  }
  return lines;
}

std::string to_csv(StudyFile const& study) {
  auto const& status = need_status(study);
  auto table = whole_summary(study);
  append(table, injection_summary(study));
  table.columns.insert(table.columns.begin(), {"status", std::vector<std::string>(table.rows(), status)});
  auto lines = to_csv(table);
  for (auto const& share : known_shares(study)) {
    auto const field = [&](auto const& column) {
      return column.first == "status" ? csv_field(status) : csv_field_of(share, column.first);
    };
    lines += join(table.columns, ",", field) + '\n';
  }
  return lines;
}

}  // namespace onemask
