#include <onemask/settings/edit_options.hpp>
#include <onemask/settings/make_field.hpp>

namespace onemask {

template <>
Fields<EditOptions> const& fields_of<EditOptions>() {
  using Edit = EditOptions;
  auto const in_batches = [](Edit const& edit) { return edits_in_batches(edit.hparams.method); };
  auto const searches = [](Edit const& edit) { return edit.hparams.method != EditMethod::ft_l; };
  static Fields<Edit> const fields{
      number("facts_per_model", &Edit::facts_per_model, at_least(0), "facts",
             "methods that edit in batches: written into one model; 0: all of a split")
          .enter(Enters::edits)
          .use_for(in_batches),
      flag("sequential", &Edit::sequential,
           "every batch goes into the model that carries the batches before it; all are scored in the last one")
          .enter(Enters::edits)
          .use_for(in_batches),
      any_value(FieldType::file, "templates", &Edit::templates, "context templates")
          .enter(Enters::content)
          .use_for(searches)
          .read_by_hand(),
      number("template_seed", &Edit::template_seed, {}, "", "of sampled context templates")
          .enter(Enters::content)
          .use_for(searches),
      number("batch", &Edit::batch, at_least(1), "facts", "edited at a time; part of the result's bits").enter(Enters::edits)};
  return fields;
}

}  // namespace onemask
