#include <onemask/settings/analysis_options.hpp>
#include <onemask/settings/make_field.hpp>

namespace onemask {

bool asks_for_models(AnalysisOptions const& options) {
  return options.contributions || options.attention || options.traces || options.maps != MapDetail::none;
}

template <>
Fields<AnalysisOptions> const& fields_of<AnalysisOptions>() {
  using Analysis = AnalysisOptions;
  constexpr auto scores = Enters::scores;
  static Fields<Analysis> const fields{
      any_value(FieldType::text, "split", &Analysis::split, "whose facts are analysed, each at its rewrite prompt").enter(scores),
      number("facts", &Analysis::facts, at_least(0), "facts", "so many of the split, drawn at random; 0: all").enter(scores),
      some_choices("places", &Analysis::places, analysis_place_names,
                   "of the prompt: its last token, which predicts the object, and the subject's last token")
          .enter(scores),
      flag("contributions", &Analysis::contributions,
           "what embedding, attention, MLPs and biases add to the logits of both objects")
          .enter(scores),
      flag("heads", &Analysis::heads, "contributions and attention of every head").enter(scores),
      flag("sources", &Analysis::sources, "contributions of attention by the place that it reads").enter(scores),
      number("inner_units", &Analysis::inner_units, at_least(0), "",
             "contributions of inner units of the edited MLPs: the so many largest; 0: none")
          .enter(scores),
      flag("attention", &Analysis::attention, "attention to the subject, and what the edit changes through it").enter(scores),
      flag("traces", &Analysis::traces, "rank and log-probability of both objects after every layer").enter(scores),
      number("dimensions", &Analysis::dimensions, at_least(0), "",
             "dimensions of the residual stream with most zeros in a mask, beside as many at random; 0: none")
          .enter(scores),
      choice("maps", &Analysis::maps, map_detail_names,
             "places by layers: none, mean over facts of aligned places, facts as well")
          .enter(scores)};
  return fields;
}

}  // namespace onemask
