#include "report/tracing_picture.hpp"

#include "report/cells.hpp"
#include "report/heat_map.hpp"
#include "report/study_parts.hpp"

#include <algorithm>
#include <optional>

namespace onemask {
namespace {

/// In points, over places and layers.
HeatMap map_of(TracingReport const& report, TracedKind const& kind) {
  HeatMap map{{}, {}, {}, "layer", " points"};
  for (int layer = 0; layer < report.layers(); ++layer) map.columns.push_back(std::to_string(layer));
  for (auto const& [place, name] : trace_place_names) {
    map.rows.push_back(words_of_place(place));
    auto& row = map.cells.emplace_back();
    for (int layer = 0; layer < report.layers(); ++layer) {
      auto const value = report.effect(kind, place, layer);
      row.push_back(value ? std::optional(100 * value->mean) : std::nullopt);
    }
  }
  return map;
}

}  // namespace

std::string words_of_place(TracePlace place) {
  auto name = name_of(trace_place_names, place);
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

std::string words_of_kind(TraceKind kind, StudyFile const& study) {
  if (kind == TraceKind::state) return "the residual stream";
  auto const window = need_attribute(study, "tracing_window");
  return (kind == TraceKind::mlp ? "the MLPs of " : "the attention of ") + window + (window == "1" ? " layer" : " layers");
}

char const* preposition_of(TraceKind kind) {
  return kind == TraceKind::state ? "behind" : "around";
}

Drawing drawing_of(TracingReport const& report, TracedKind const& kind) {
  return drawing_of(map_of(report, kind));
}

std::string tracing_picture(StudyFile const& study) {
  TracingReport const report(study);
  Drawing drawing;
  drawing.text(Drawing::margin, 32, title_of(study), {TextAnchor::begin, TextWeight::title});
  drawing.text(Drawing::margin, 54, "Effect of restoring a state on P(true object), over layers.");
  double y = 74;
  for (auto const& kind : report.kinds()) {
    drawing.text(Drawing::margin, y + 14,
                 words_of_kind(kind.kind, study).substr(4) + " " + preposition_of(kind.kind) + " each layer",
                 {TextAnchor::begin, TextWeight::bold});
    y = add_heat_map(drawing, y + 24, map_of(report, kind)) + 14;
  }
  drawing.set_size(0, y);
  return svg_of(drawing, title_of(study));
}

}  // namespace onemask
