#pragma once

#include "report/drawing.hpp"
#include <onemask/report/tracing.hpp>

#include <string>

namespace onemask {

/// "subject last"
std::string words_of_place(TracePlace place);
/// What is restored: "the MLPs of 10 layers".
std::string words_of_kind(TraceKind kind, StudyFile const& study);
/// Where, relative to the layer that a number is of.
char const* preposition_of(TraceKind kind);

/// A heat map of effects over places and layers, without a title.
Drawing drawing_of(TracingReport const& report, TracedKind const& kind);

}  // namespace onemask
