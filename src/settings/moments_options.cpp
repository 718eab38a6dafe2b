#include <onemask/settings/make_field.hpp>
#include <onemask/settings/moments_options.hpp>

namespace onemask {
namespace {

/// A file for each of some layers.
Field<MomentsOptions> files_by_layer() {
  using Names = std::map<int, std::string>;
  FieldInfo info{.name = "files", .type = FieldType::files_by_layer};
  info.meaning = "finished second moments by layer, {13: FILE.npz}: those of ROME and MEMIT, or exported ones";
  auto const take = [](MomentsOptions& moments, Names const& names) {
    moments.files = std::map<int, std::filesystem::path>(names.begin(), names.end());
    return std::string();
  };
  auto const text = [](MomentsOptions const& moments) { return yaml_text(moments.files); };
  return make_field<Names, MomentsOptions>(std::move(info), take, text, text).enter(Enters::content);
}

}  // namespace

template <>
Fields<MomentsOptions> const& fields_of<MomentsOptions>() {
  using Moments = MomentsOptions;
  static Fields<Moments> const fields{
      files("text", &Moments::text, "the corpus of the second moments, for the methods that need them: text or JSONL files")
          .enter(Enters::content),
      file("ids", &Moments::ids, "token ids in its place: a safetensors file, or JSON lines").enter(Enters::content),
      number("tokens", &Moments::tokens, at_least(0), "tokens", "only the first so many; 0: all").enter(Enters::moments),
      number("segment", &Moments::segment, at_least(0), "tokens",
             "the longest piece that is run at once; 0: the model's positions, at most 1024")
          .enter(Enters::moments),
      files_by_layer()};
  return fields;
}

}  // namespace onemask
