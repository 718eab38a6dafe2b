#include <onemask/settings/injection_options.hpp>
#include <onemask/settings/make_field.hpp>

namespace onemask {

template <>
Fields<InjectionOptions> const& fields_of<InjectionOptions>() {
  using Injection = InjectionOptions;
  constexpr auto scores = Enters::scores;
  static Fields<Injection> const fields{
      some_choices("masks", &Injection::masks, injection_mask_names,
                   "under which facts are edited; all have as many zeros as the trained one")
          .enter(scores),
      any_value(FieldType::text, "split", &Injection::split, "whose facts are edited").enter(scores),
      some_choices("variants", &Injection::variants, asked_variant_names,
                   "inject: scored under the mask; off: the same edits without it; adaptive: edits that know the mask")
          .enter(scores),
      flag("sequential", &Injection::sequential,
           "edit the facts as well one after the other in one model, each scored after its own edit, as published")
          .enter(scores)};
  return fields;
}

}  // namespace onemask
