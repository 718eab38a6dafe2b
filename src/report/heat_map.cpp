#include "report/heat_map.hpp"

#include <onemask/report/text_table.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

namespace onemask {
namespace {

constexpr double heat_row = 22, widest_map = 640, widest_cell = 40, least_for_each_number = 28, heat_sample = 28;
constexpr char const *above_zero = "mask", *below_zero = "edited";

void add_heat(Drawing& drawing, double x, double y, double width, double value, double most) {
  auto const strength = most > 0 ? std::min(1.0, std::abs(value) / most) : 0.0;
  drawing.rectangle(x, y + 1, width - 1, heat_row - 2, value < 0 ? below_zero : above_zero, strength);
}

bool has_positive(std::vector<std::optional<double>> const& row) {
  return std::any_of(row.begin(), row.end(), [](auto const& cell) { return cell.value_or(0) > 0; });
}

/// What the colours are: up to the strongest, and below 0 as far as there are numbers.
void add_scale(Drawing& drawing, double x, double y, HeatMap const& map, double most) {
  double least = 0;
  for (auto const& row : map.cells) {
    for (auto const& cell : row) least = std::min(least, cell.value_or(0));
  }
  constexpr double faintest = 0.02;  // of the strongest, which can hardly be seen
  auto const below = most > 0 && -least > faintest * most ? static_cast<int>(std::ceil(-4 * least / most - 1e-9)) : 0;
  auto const above = least == -most && std::none_of(map.cells.begin(), map.cells.end(), has_positive) ? 0 : 4;
  auto const label = [&](double value) { return fmt::format("{:.3g}{}", value + 0.0, map.unit); };
  auto const put = [&](std::string const& text) {
    drawing.text(x, y + heat_row / 2 + 4, text);
    x += Drawing::letter_width * static_cast<double>(characters(text)) + 6;
  };
  put(label(-most * below / 4));
  for (int step = -below; step <= above; ++step, x += heat_sample) add_heat(drawing, x, y, heat_sample, most * step / 4, most);
  x += 6;
  put(label(most * above / 4));
}

}  // namespace

double strongest(HeatMap const& map) {
  double most = 0;
  for (auto const& row : map.cells) {
    for (auto const& cell : row) most = std::max(most, std::abs(cell.value_or(0)));
  }
  return most;
}

double add_heat_map(Drawing& drawing, double y, HeatMap const& map) {
  std::size_t longest = 0;
  for (auto const& row : map.rows) longest = std::max(longest, characters(row));
  auto const left = 2 * Drawing::margin + Drawing::letter_width * static_cast<double>(longest);
  auto const most = strongest(map);
  auto const columns = static_cast<double>(map.columns.size());
  auto const width = std::min(widest_cell, widest_map / std::max(1.0, columns));
  for (std::size_t r = 0; r < map.rows.size(); ++r, y += heat_row) {
    drawing.text(left - 8, y + heat_row / 2 + 4, map.rows[r], {TextAnchor::end});
    for (std::size_t c = 0; c < map.cells[r].size(); ++c) {
      auto const x = left + width * static_cast<double>(c);
      if (auto const& cell = map.cells[r][c]) {
        add_heat(drawing, x, y, width, *cell, most);
      } else {
        drawing.text(x + width / 2, y + heat_row / 2 + 4, "-", {TextAnchor::middle});
      }
    }
  }
  auto const step = static_cast<std::size_t>(std::ceil(least_for_each_number / width));
  for (std::size_t c = 0; c < map.columns.size(); c += step)
    drawing.text(left + width * (static_cast<double>(c) + 0.5), y + 14, map.columns[c], {TextAnchor::middle});
  drawing.text(left + width * columns / 2, y + 32, map.across, {TextAnchor::middle});
  y += 42;
  add_scale(drawing, left, y, map, most);
  y += heat_row + 4;
  drawing.set_size(left + width * columns + Drawing::margin, y);
  return y;
}

Drawing drawing_of(HeatMap const& map) {
  Drawing drawing;
  add_heat_map(drawing, 8, map);
  return drawing;
}

}  // namespace onemask
