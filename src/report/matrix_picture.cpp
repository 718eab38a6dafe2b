#include "report/matrix_picture.hpp"

#include "report/cells.hpp"
#include "report/fact_metrics.hpp"
#include <onemask/report/text_table.hpp>

#include <algorithm>

namespace onemask {
namespace {

constexpr double cell_width = 64, cell_height = 28;

/// Draws a heat map from `y` on; returns its end.
double add_matrix(Drawing& drawing, double y, TransferMatrix const& matrix, MatrixRequest const& request) {
  bool const share = is_share(request);
  double least = 0, most = share ? 1 : 0;
  std::size_t longest = 0, tallest = 0;
  for (auto const& row : matrix.cells) {
    for (auto const& cell : row) {
      if (cell.value) least = std::min(least, cell.value->mean), most = std::max(most, cell.value->mean);
    }
  }
  for (auto const& row : matrix.rows) longest = std::max(longest, characters(row));
  for (auto const& column : matrix.columns) tallest = std::max(tallest, characters(column));
  auto const left = 2 * Drawing::margin + Drawing::letter_width * static_cast<double>(longest);
  // Long names of columns stand upright.
  bool const upright = Drawing::letter_width * static_cast<double>(tallest) > cell_width;
  y += upright ? Drawing::letter_width * static_cast<double>(tallest) : 20;
  for (std::size_t c = 0; c < matrix.columns.size(); ++c) {
    auto const x = left + cell_width * (static_cast<double>(c) + 0.5);
    drawing.text(upright ? x + 4 : x, y - 6, matrix.columns[c],
                 {upright ? TextAnchor::begin : TextAnchor::middle, TextWeight::plain, upright});
  }
  for (std::size_t r = 0; r < matrix.rows.size(); ++r, y += cell_height) {
    drawing.text(left - 8, y + cell_height / 2 + 4, matrix.rows[r], {TextAnchor::end});
    for (std::size_t c = 0; c < matrix.columns.size(); ++c) {
      auto const& [value, at_home] = matrix.cells[r][c];
      if (!value) continue;
      auto const x = left + cell_width * static_cast<double>(c);
      auto const height_of_colour = most > least ? (value->mean - least) / (most - least) : 0.0;
      drawing.rectangle(x + 1, y + 1, cell_width - 2, cell_height - 2, "mask", height_of_colour);
      if (at_home) drawing.frame(x + 1, y + 1, cell_width - 2, cell_height - 2);
      drawing.text(x + cell_width / 2, y + cell_height / 2 + 4, shown_mean(value->mean, share),
                   {TextAnchor::middle, TextWeight::plain, false, height_of_colour > 0.6});
    }
  }
  drawing.set_size(left + cell_width * static_cast<double>(matrix.columns.size()) + Drawing::margin, y + 8);
  return y;
}

}  // namespace

bool is_share(MatrixRequest const& request) {
  return fact_metric(request.metric, PromptKind::rewrite).yes_no;
}

std::string shown_mean(double value, bool share) {
  return share ? percent(value) : number(value, 3);
}

std::string title_of(TransferMatrix const& matrix, MatrixRequest const& request) {
  return request.metric + (is_share(request) ? " %" : "") + (request.split.empty() ? "" : ", split " + request.split) +
         (matrix.edits.empty() ? "" : ", " + matrix.edits);
}

Drawing drawing_of(TransferMatrix const& matrix, MatrixRequest const& request) {
  Drawing drawing;
  add_matrix(drawing, 8, matrix, request);
  return drawing;
}

std::string matrix_picture(MatrixReport const& report) {
  Drawing drawing;
  drawing.text(Drawing::margin, 32, report.title, {TextAnchor::begin, TextWeight::title});
  drawing.text(Drawing::margin, 54, "A row is a mask, a column what it is scored on. Frame: where it was trained.");
  double y = 74;
  for (auto const& matrix : report.matrices) {
    drawing.text(Drawing::margin, y + 14, title_of(matrix, report.request), {TextAnchor::begin, TextWeight::bold});
    y = add_matrix(drawing, y + 24, matrix, report.request) + 24;
  }
  drawing.set_size(0, y);
  return svg_of(drawing, report.title);
}

}  // namespace onemask
