#include <onemask/settings/make_field.hpp>
#include <onemask/settings/tracing_options.hpp>

#include <algorithm>

namespace onemask {
namespace {

bool has_windows(TracingOptions const& options) {
  return std::any_of(options.kinds.begin(), options.kinds.end(), [](auto kind) { return kind != TraceKind::state; });
}

}  // namespace

int window_of(TracingOptions const& options, int layers) {
  return options.window.value_or(std::clamp(layers / 3, 1, 10));
}

bool has_all_layers(TracingOptions const& options, int layers) {
  return layers > 1 && has_windows(options) && window_of(options, layers) >= 2 * layers - 1;
}

template <>
Fields<TracingOptions> const& fields_of<TracingOptions>() {
  using Tracing = TracingOptions;
  constexpr auto scores = Enters::scores;
  static Fields<Tracing> const fields{
      any_value(FieldType::text, "split", &Tracing::split, "whose facts are traced").enter(scores),
      number("facts", &Tracing::facts, at_least(0), "facts", "only the first so many of the split; 0: all").enter(scores),
      some_choices("kinds", &Tracing::kinds, trace_kind_names,
                   "what is restored at a token: the residual stream behind a layer, or what the MLPs or attentions of a window "
                   "of layers add to it")
          .enter(scores),
      number("samples", &Tracing::samples, at_least(1), "", "of the noise, for each fact").in_line(scores, "samples "),
      number("noise", &Tracing::noise, positive(), "",
             "standard deviation of the noise, in units of that of the subjects' token embeddings")
          .in_line(scores, " noise "),
      number("window", &Tracing::window, at_least(1), "layers",
             "whose MLPs or attentions are restored together, around each layer, as far as the model has them; without it a "
             "third of the layers, at most 10")
          .enter(scores)
          .use_for(has_windows),
      number("seed", &Tracing::seed, {}, "", "of the noise").in_line(scores, " seed "),
      number("batch", &Tracing::batch, at_least(1), "facts",
             "of a task, whose states are held at once; part of the result's bits")
          .enter(scores),
      number("rows", &Tracing::rows, at_least(1), "", "restored runs computed at once; part of the result's bits")
          .in_line(scores, " rows ")};
  return fields;
}

}  // namespace onemask
