#include <onemask/settings/edit_options.hpp>
#include <onemask/settings/make_field.hpp>

namespace onemask {
namespace {

/// A path, or one for each of some facts.
Field<EditOptions> edit_files() {
  using Paths = std::map<std::int64_t, std::string>;
  Field<EditOptions> field{{.name = "files", .type = FieldType::files_by_fact}, {}, {}, {}};
  field.meaning = "finished edits, in place of hparams; {case_id} and {split} in a path stand for those of each fact";
  field.set = [](EditOptions& options, YamlValue const& value) -> std::string {
    options.files = {};
    if (!value.is_mapping() && !value.is_list() && !value.is_null()) {
      options.files.name = value.text();
      return options.files.name.empty() ? "must not be empty" : "";
    }
    auto paths = value.as<Paths>();
    if (!paths || paths->empty()) return "must be a path, or paths by case_id such as {17: FILE}";
    options.files.of_facts = std::move(*paths);
    return "";
  };
  field.text = field.hashed = [](EditOptions const& options) {
    auto const& files = options.files;
    return files.of_facts.empty() ? (files.name.empty() ? "" : yaml_text(files.name)) : yaml_text(files.of_facts);
  };
  return field;
}

}  // namespace

template <>
Fields<EditOptions> const& fields_of<EditOptions>() {
  using Edit = EditOptions;
  auto const in_batches = [](Edit const& edit) { return edits_in_batches(edit.hparams.method); };
  auto const searches = [](Edit const& edit) { return searches_values(edit.hparams.method); };
  auto const imports = [](Edit const& edit) { return edit.hparams.method == EditMethod::imported; };
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
      number("batch", &Edit::batch, at_least(1), "facts", "edited at a time; part of the result's bits")
          .enter(Enters::edits)
          .use_for([=](Edit const& edit) { return !imports(edit); }),
      edit_files().enter(Enters::content).use_for(imports),
      number("rank", &Edit::rank, at_least(0), "",
             "finished edits become factors of at most this rank, the nearest ones; 0: matrices and factors stay as they are")
          .enter(Enters::content)
          .use_for(imports)};
  return fields;
}

}  // namespace onemask
