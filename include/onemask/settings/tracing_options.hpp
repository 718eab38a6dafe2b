#pragma once

#include <onemask/core/names.hpp>
#include <onemask/settings/field.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace onemask {

/// What is restored at a token: the residual stream behind a layer, or what the MLPs or the attentions of a window of layers add
/// to it.
enum class TraceKind { state, mlp, attention };
inline constexpr std::array<Named<TraceKind>, 3> trace_kind_names{
    {{TraceKind::state, "state"}, {TraceKind::mlp, "mlp"}, {TraceKind::attention, "attention"}}};

/// Where a token stands in a prompt, so that prompts of different lengths can be averaged. Every token from the subject's first
/// on is of one place: of the subject's tokens the last is subject_last, also where there is but one; the prompt's last token
/// behind the subject is last_token, also where it is the only one.
enum class TracePlace { subject_first, subject_middle, subject_last, after_first, after_middle, last_token };
inline constexpr std::array<Named<TracePlace>, 6> trace_place_names{{{TracePlace::subject_first, "subject_first"},
                                                                     {TracePlace::subject_middle, "subject_middle"},
                                                                     {TracePlace::subject_last, "subject_last"},
                                                                     {TracePlace::after_first, "after_first"},
                                                                     {TracePlace::after_middle, "after_middle"},
                                                                     {TracePlace::last_token, "last_token"}}};

/// Causal tracing (Meng et al. 2022, arXiv 2202.05262, section 2): the subject's embeddings are corrupted by noise, and one state
/// of the model after the other is restored, to see which of them bring the true object back.
struct TracingOptions {
  std::string split = "heldout";
  int facts = 0;  ///< the first so many of the split; 0: all
  std::vector<TraceKind> kinds = {TraceKind::state, TraceKind::mlp, TraceKind::attention};
  int samples = 10;           ///< of the noise, for each fact
  double noise = 3;           ///< its standard deviation, in units of that of the subjects' token embeddings
  std::optional<int> window;  ///< layers whose MLPs or attentions are restored together; see window_of
  std::uint64_t seed = 0;
  int batch = 8;   ///< facts of a task
  int rows = 128;  ///< restored runs that are computed at once
};

/// The window in a model of so many layers: where none is given, a third of them, at least 1 and at most the published 10.
int window_of(TracingOptions const& options, int layers);

/// Whether the window around every layer has all layers of the model, so that nothing tells one layer from another.
bool has_all_layers(TracingOptions const& options, int layers);

template <>
Fields<TracingOptions> const& fields_of<TracingOptions>();

}  // namespace onemask
