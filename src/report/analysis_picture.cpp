#include "report/analysis_picture.hpp"

#include "report/heat_map.hpp"
#include "report/picture.hpp"

#include <cctype>
#include <cmath>

namespace onemask {
namespace {

/// Rows are those of layers; the stream before the first stands at -1.
double layer_of(AnalysisTable::Row const& row) {
  return row.label == "embedding" ? -1 : std::stod(row.label);
}

LinePanel panel_of(AnalysisTable const& table) {
  LinePanel panel{"", "", {}, table.rows_of + (table.rows.front().label == "embedding" ? " (-1: embedding)" : ""), ""};
  panel.scale = table.percent ? UpScale::shares : UpScale::numbers;
  panel.whole = true;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    PictureLine line{to_string(table.kinds[c]), table.columns[c], {}};
    for (auto const& row : table.rows) {
      if (!row.cells[c]) continue;
      auto value = row.cells[c]->value;
      if (std::isnan(value.low) || std::isnan(value.high)) value.low = value.high = value.mean;
      line.points.push_back({layer_of(row), value});
    }
    if (!line.points.empty()) panel.lines.push_back(std::move(line));
  }
  return panel;
}

HeatMap map_of(AnalysisTable const& table) {
  HeatMap map{table.columns, {}, std::vector<std::vector<std::optional<double>>>(table.columns.size()), table.rows_of};
  for (auto const& row : table.rows) {
    map.columns.push_back(row.label == "embedding" ? "-1" : row.label);
    for (std::size_t c = 0; c < table.columns.size(); ++c)
      map.cells[c].push_back(row.cells[c] ? std::optional(row.cells[c]->value.mean) : std::nullopt);
  }
  if (table.rows.front().label == "embedding") map.across += " (-1: embedding)";
  return map;
}

}  // namespace

std::string title_of(AnalysisTable const& table) {
  auto title = table.quantity + (table.place.empty() ? "" : ", " + table.place) + "; split " + table.split;
  for (auto const& name : {table.edits, table.settings}) title += name.empty() ? "" : ", " + name;
  title.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(title.front())));
  return title;
}

Drawing drawing_of(AnalysisTable const& table) {
  return table.kinds.empty() ? drawing_of(map_of(table)) : drawing_of(panel_of(table));
}

}  // namespace onemask
