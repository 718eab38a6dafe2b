#include "report/tracing_picture.hpp"

#include "report/cells.hpp"
#include "report/study_parts.hpp"

#include <algorithm>
#include <cmath>

namespace onemask {
namespace {

/// Draws a heat map from `y` on; returns its end.
double add_effects(Drawing& drawing, double y, TracingReport const& report, TracedKind const& kind) {
  constexpr double left = 150, height = 22, widest = 640, least_for_each_number = 24;
  auto const most = largest_effect(report, kind);
  auto const width = std::min(40.0, widest / std::max(1, report.layers()));
  for (auto const& [place, name] : trace_place_names) {
    drawing.text(left - 8, y + height / 2 + 4, words_of_place(place), {TextAnchor::end});
    for (int layer = 0; layer < report.layers(); ++layer) {
      auto const value = report.effect(kind, place, layer);
      if (!value) continue;
      auto const strength = most > 0 ? std::clamp(value->mean / most, 0.0, 1.0) : 0.0;
      drawing.rectangle(left + width * layer, y + 1, width - 1, height - 2, "mask", strength);
    }
    y += height;
  }
  auto const step = static_cast<int>(std::ceil(least_for_each_number / width));
  for (int layer = 0; layer < report.layers(); layer += step)
    drawing.text(left + width * (layer + 0.5), y + 14, std::to_string(layer), {TextAnchor::middle});
  drawing.set_size(left + width * report.layers() + Drawing::margin, y + 20);
  return y + 20;
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

double largest_effect(TracingReport const& report, TracedKind const& kind) {
  double most = 0;
  for (auto const& [place, layers] : kind.effects) {
    for (int layer = 0; layer < report.layers(); ++layer)
      most = std::max(most, report.effect(kind, place, layer).value_or(Estimate{}).mean);
  }
  return most;
}

Drawing drawing_of(TracingReport const& report, TracedKind const& kind) {
  Drawing drawing;
  add_effects(drawing, 8, report, kind);
  return drawing;
}

std::string tracing_picture(StudyFile const& study) {
  TracingReport const report(study);
  Drawing drawing;
  drawing.text(Drawing::margin, 32, title_of(study), {TextAnchor::begin, TextWeight::title});
  drawing.text(Drawing::margin, 54,
               "Effect of restoring a state on P(true object), over layers; the darkest of each map is its largest.");
  double y = 74;
  for (auto const& kind : report.kinds()) {
    drawing.text(Drawing::margin, y + 14,
                 words_of_kind(kind.kind, study).substr(4) + " " + preposition_of(kind.kind) + " each layer, at most " +
                     percent(largest_effect(report, kind)) + " points",
                 {TextAnchor::begin, TextWeight::bold});
    y = add_effects(drawing, y + 24, report, kind) + 14;
  }
  drawing.set_size(0, y);
  return svg_of(drawing, title_of(study));
}

}  // namespace onemask
