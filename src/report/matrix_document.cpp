#include "report/cells.hpp"
#include "report/estimate_columns.hpp"
#include "report/matrix_picture.hpp"
#include "report/summary.hpp"
#include <onemask/report/matrix.hpp>

#include <algorithm>

#include <fmt/core.h>

namespace onemask {
namespace {

/// What all rows begin with, up to and with a '=': "mask.train_relations=".
std::string common_key(std::vector<std::string> const& rows) {
  auto const key = rows.front().substr(0, rows.front().find('=') + 1);
  bool const is_common = !key.empty() && key.find(' ') == std::string::npos &&
                         std::all_of(rows.begin(), rows.end(), [&](auto const& row) { return row.starts_with(key); });
  return is_common ? key : "";
}

/// Each row has its means, and under them the intervals. A cell that is not of all planned facts says of how many.
TextTable table_of(TransferMatrix const& matrix, bool share) {
  TextTable table;
  table.set_heading(2);
  auto const key = common_key(matrix.rows);
  std::vector<std::string> head{key.empty() ? "mask" : key.substr(0, key.size() - 1)}, counts_of{"n"};
  for (std::size_t column = 0; column < matrix.columns.size(); ++column) {
    head.push_back(matrix.columns[column]);
    std::int64_t planned = 0;
    for (auto const& row : matrix.cells) planned = std::max(planned, row[column].value ? row[column].value->planned : 0);
    counts_of.push_back(std::to_string(planned));
  }
  table.add(head);
  table.add(counts_of);
  for (std::size_t row = 0; row < matrix.rows.size(); ++row) {
    std::vector<std::string> means{matrix.rows[row].substr(key.size())}, intervals{""};
    for (auto const& [value, at_home] : matrix.cells[row]) {
      auto const partial = value && value->n != value->planned ? fmt::format(" n {}", value->n) : "";
      means.push_back(value ? shown_mean(value->mean, share) + (at_home ? "*" : "") + partial : "-");
      intervals.push_back(!value  ? ""
                          : share ? number(100 * value->low, 0) + "-" + number(100 * value->high, 0)
                                  : number(value->low, 2) + "-" + number(value->high, 2));
    }
    table.add(means);
    table.add(intervals);
  }
  return table;
}

/// "4 cells at home: 90.0 [85.0, 95.0]", of the means and interval limits.
std::string mean_over(std::vector<Estimate> const& cells, char const* which, bool share) {
  if (cells.empty()) return "";
  auto const mean = mean_of(cells);
  return fmt::format("Mean over {} {} {}: {} [{}, {}].\n", cells.size(), cells.size() == 1 ? "cell" : "cells", which,
                     shown_mean(mean.mean, share), shown_mean(mean.low, share), shown_mean(mean.high, share));
}

std::string means_of(TransferMatrix const& matrix, MatrixColumns columns, bool share) {
  std::vector<Estimate> home, away;
  for (auto const& row : matrix.cells) {
    for (std::size_t column = 0; column < row.size(); ++column) {
      bool const together = columns == MatrixColumns::relation && column + 1 == row.size();
      if (row[column].value && !together) (row[column].at_home ? home : away).push_back(*row[column].value);
    }
  }
  return mean_over(home, "at home", share) + mean_over(away, "elsewhere", share);
}

constexpr char const* definitions_of_matrix =
    "A row is a mask, the mean over its seeds; a column is what it is scored on. *: at home, where it was trained. n: facts "
    "planned.\n"
    "Under each mean stands its 95 % interval (bootstrap over facts; Clopper and Pearson's of shares of 0 and 100 %). Means "
    "over\n"
    "cells have the mean of the cells' limits.\n";

}  // namespace

Document matrix_document(MatrixReport const& report) {
  Document document{report.status_line, {}};
  bool const share = is_share(report.request);
  for (auto const& matrix : report.matrices)
    document.blocks.push_back(
        {title_of(matrix, report.request), table_of(matrix, share), means_of(matrix, *report.request.columns, share)});
  document.blocks.push_back({"", {}, definitions_of_matrix});
  return document;
}

Table matrix_table(MatrixReport const& report) {
  std::vector<std::string> status, set, mask, column, metric, split;
  std::vector<std::int64_t> at_home;
  EstimateColumns estimates;
  for (auto const& matrix : report.matrices) {
    for (std::size_t r = 0; r < matrix.rows.size(); ++r) {
      for (std::size_t c = 0; c < matrix.columns.size(); ++c) {
        auto const& cell = matrix.cells[r][c];
        if (!cell.value) continue;
        status.push_back(report.status), set.push_back(matrix.edits), mask.push_back(matrix.rows[r]);
        column.push_back(matrix.columns[c]), metric.push_back(report.request.metric), split.push_back(report.request.split);
        at_home.push_back(cell.at_home ? 1 : 0);
        estimates.add(*cell.value);
      }
    }
  }
  Table table{{{"status", status},
               {"set", set},
               {"mask", mask},
               {name_of(matrix_columns_names, *report.request.columns), column},
               {"scored_split", split},
               {"metric", metric},
               {"at_home", at_home}}};
  estimates.append_to(table);
  return table;
}

}  // namespace onemask
