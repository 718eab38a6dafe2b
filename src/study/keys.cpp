#include "study/fact_fields.hpp"
#include "study/study_sections.hpp"
#include <onemask/core/text.hpp>
#include <onemask/settings/make_field.hpp>
#include <onemask/study/keys.hpp>

#include <cmath>
#include <utility>

#include <nlohmann/json.hpp>
#include <yaml-cpp/yaml.h>

namespace onemask {
namespace {

using Json = nlohmann::ordered_json;

constexpr char const* of_the_file = "the file's";

std::string words_of(FieldInfo const& info) {
  auto const list = [&] {
    std::string text;
    for (auto const& choice : info.choices) text += (text.empty() ? "" : ", ") + choice;
    return text;
  };
  switch (info.type) {
    case FieldType::whole:
      return "whole number" + (info.bounds.words.empty() ? "" : ", " + info.bounds.words);
    case FieldType::number:
    case FieldType::number_or_false:
    case FieldType::number_or_list:
      return info.bounds.words.empty() ? "number" : info.bounds.words;
    case FieldType::flag:
      return "true, false";
    case FieldType::name:
      return list();
    case FieldType::names:
      return "a list of " + list();
    case FieldType::text:
      return "text";
    case FieldType::texts:
      return "a list of texts";
    case FieldType::file:
      return "a path";
    case FieldType::files:
      return "a path or a list of paths";
    case FieldType::wholes:
      return "a list of whole numbers";
    case FieldType::pairs:
      return "a list of pairs";
    case FieldType::baselines:
      return "a list of " + list() + " and of {score: NAME, scope: …, fill: …, zeros: …}";
    case FieldType::patches:
      return "a list of MODEL+attention(OTHER), both of " + all_names(patch_model_names) + ", and of such at last or at subject";
    case FieldType::files_by_fact:
      return "a path, or case_ids and paths";
    case FieldType::files_by_layer:
      break;
  }
  return "layers and paths";
}

Json list_schema(Json const& items) {
  return {{"type", "array"}, {"items", items}};
}

Json baseline_schema() {
  auto const numbers = [](Json const& number) {
    return Json{{"anyOf", Json::array({number, list_schema(number), {{"type", "string"}}})}};
  };
  return {{"type", "object"},
          {"properties",
           {{"score", {{"enum", list_of(baseline_score_names)}}},
            {"scope", {{"enum", list_of(baseline_scope_names)}}},
            {"fill", {{"enum", list_of(fill_names)}}},
            {"zeros", numbers({{"type", "number"}, {"exclusiveMinimum", 0}, {"maximum", 1}})},
            {"k", numbers({{"type", "integer"}, {"minimum", 1}, {"maximum", most_components}})},
            {"alpha", numbers({{"type", "number"}})}}},
          {"required", {"score"}},
          {"additionalProperties", false}};
}

Json schema_of(FieldInfo const& info) {
  Json const text{{"type", "string"}}, whole{{"type", "integer"}};
  switch (info.type) {
    case FieldType::whole:
    case FieldType::number:
    case FieldType::number_or_false:
    case FieldType::number_or_list: {
      Json schema{{"type", info.type == FieldType::whole ? "integer" : "number"}};
      auto const& bounds = info.bounds;
      if (std::isfinite(bounds.least)) schema[bounds.with_least ? "minimum" : "exclusiveMinimum"] = bounds.least;
      if (std::isfinite(bounds.most)) schema[bounds.with_most ? "maximum" : "exclusiveMaximum"] = bounds.most;
      if (info.type == FieldType::number_or_list) return {{"anyOf", Json::array({schema, list_schema(schema)})}};
      if (info.type != FieldType::number_or_false) return schema;
      return {{"anyOf", Json::array({schema, {{"const", false}}})}};
    }
    case FieldType::flag:
      return {{"type", "boolean"}};
    case FieldType::name:
      return {{"enum", info.choices}};
    case FieldType::names:
    case FieldType::patches:
      return {{"type", "array"}, {"items", {{"enum", info.choices}}}, {"uniqueItems", true}};
    case FieldType::text:
    case FieldType::file:
      return text;
    case FieldType::texts:
      return list_schema(text);
    case FieldType::files:
      return {{"anyOf", Json::array({text, list_schema(text)})}};
    case FieldType::wholes:
      return list_schema(whole);
    case FieldType::pairs: {
      auto pair = list_schema(whole);
      pair["minItems"] = pair["maxItems"] = 2;
      return list_schema(pair);
    }
    case FieldType::baselines:
      return list_schema({{"anyOf", Json::array({{{"enum", info.choices}}, baseline_schema()})}});
    case FieldType::files_by_fact:
      return {{"anyOf", Json::array({text, {{"type", "object"}, {"additionalProperties", text}}})}};
    case FieldType::files_by_layer:
      break;
  }
  return {{"type", "object"}, {"additionalProperties", text}};
}

StudyKey described(std::string key, std::string standard, FieldInfo const& info) {
  return {std::move(key), std::move(standard), words_of(info), info.unit, info.meaning, schema_of(info).dump(), info.required};
}

class Reference {
 public:
  /// The fields of a struct's table that its section's reader takes from it.
  template <typename Options>
  Reference& fields(std::string const& section) {
    for (auto const& field : fields_of<Options>()) {
      if (field.special) continue;
      keys_.push_back(described(section + "." + field.name, field.required ? "" : field.text(Options{}), field));
    }
    return *this;
  }
  /// Those that a file gives first.
  Reference& hparams() {
    for (FieldInfo info : fields_of<EditHparams>()) {
      info.required = false;
      keys_.push_back(described("edit." + info.name, of_the_file, info));
    }
    return *this;
  }
  /// A key that is read by hand.
  Reference& key(char const* name, char const* standard, FieldType type, char const* meaning) {
    FieldInfo info;
    info.name = name;
    info.type = type;
    info.meaning = meaning;
    keys_.push_back(described(name, standard, info));
    return *this;
  }
  /// The last one must be given.
  Reference& required() {
    keys_.back().required = true;
    return *this;
  }
  /// What stands for the last one is no value that it takes.
  Reference& in_words() {
    keys_.back().in_words = true;
    return *this;
  }
  /// One whose values no type says.
  Reference& key(char const* name, char const* standard, char const* values, Json const& schema, char const* meaning) {
    keys_.push_back({name, standard, values, "", meaning, schema.dump(), false});
    return *this;
  }
  std::vector<StudyKey> list() const { return keys_; }

 private:
  std::vector<StudyKey> keys_;
};

Json figures_schema() {
  Json const text{{"type", "string"}};
  Json const figure{{"type", "object"},
                    {"properties",
                     {{"split", text},
                      {"model", {{"enum", list_of(condition_kind_names)}}},
                      {"metric", {{"enum", published_metrics()}}},
                      {"value", {{"type", "number"}}},
                      {"note", text}}},
                    {"required", {"split", "model", "metric", "value"}},
                    {"additionalProperties", false}};
  return list_schema(figure);
}

/// Where the schema has the properties of the section `name`.
Json& section_of(Json& schema, std::string const& name) {
  auto& section = name == "SPLIT" ? schema["additionalProperties"] : schema["properties"][name];
  if (section.contains("type")) return section;
  bool const may_be_empty = name != "model" && name != "facts" && name != "SPLIT";
  section = {{"type", may_be_empty ? Json::array({"object", "null"}) : Json("object")},
             {"properties", Json::object()},
             {"additionalProperties", false}};
  return section;
}

/// A default as JSON: the reference has it as YAML, where texts in lists have no quotes.
Json default_of(std::string const& standard) {
  auto const json = Json::parse(standard, nullptr, false);
  if (!json.is_discarded()) return json;
  auto const node = YAML::Load(standard);
  if (!node.IsSequence()) return standard;
  Json list = Json::array();
  for (auto const& item : node) list.push_back(item.Scalar());
  return list;
}

}  // namespace

std::vector<StudyKey> study_keys() {
  Json const any = Json::object(), none{{"const", "none"}};
  Json const layers{{"anyOf", Json::array({{{"enum", {"last", "all"}}}, list_schema({{"type", "integer"}})})}};
  Json const text{{"type", "string"}}, text_or_list{{"anyOf", Json::array({text, list_schema(text)})}};
  Json const ranks{{"anyOf", Json::array({{{"const", "auto"}}, {{"type", "integer"}, {"minimum", 1}}})}};
  Reference reference;
  reference.key("name", "", FieldType::text, "of the study")
      .required()
      .key("peer_compatible", "false", FieldType::flag, "the published code's quirks")
      .fields<ModelOptions>("model")
      .fields<FactSelection>("facts.SPLIT")
      .key("edit", "", "none", none, "none in place of the section: nothing is edited, facts are only traced")
      .key("edit.hparams", "", FieldType::file, "an EasyEdit hparams file, read unchanged; a study has this or edit.files")
      .hparams()
      .key("edit.layer", of_the_file, FieldType::whole, "layer: 5 is layers: [5]")
      .fields<EditOptions>("edit")
      .key("edit.templates", "sampled", FieldType::file, "a JSON file: a list of context templates, the first \"{}\"")
      .in_words()
      .fields<MomentsOptions>("moments")
      .key("mask", "", "none", none, "none in place of the section: a study of edits alone")
      .key("mask.methods", "all", "a list of methods", list_schema({{"enum", list_of(edit_method_names)}}),
           "the methods of editing that masks are trained for; edits by others are scored without")
      .in_words()
      .key("mask.layers", "last", "last, all, a list of edited layers", layers,
           "a mask of several layers has their matrices below each other")
      .key("mask.seed", "0", FieldType::whole, "of the initial mask and the order of the facts")
      .key("mask.train_split", "train", FieldType::text, "the split that a mask is trained on")
      .key("mask.train_relations", "all", "all, a relation, a list of relations", text_or_list,
           "only the facts of these relations")
      .key("mask.train_per_relation", "0", FieldType::whole,
           "only the first so many facts of each relation, those held back included; 0: all")
      .key("mask.train_models", "0", FieldType::whole,
           "of the edited models that hold the training facts, only those in the first so many; 0: all")
      .key("mask.ranks", "auto", "auto, a whole number", ranks,
           "ranks that train one mask together; a run of fewer is refused. auto gives every mask a group")
      .fields<MaskOptions>("mask")
      .fields<EvaluationPlan>("evaluation")
      .key("inject", "", "none", none, "none in place of the section: as if it were not there")
      .fields<InjectionOptions>("inject")
      .key("tracing", "", "none", none, "none in place of the section: as if it were not there")
      .fields<TracingOptions>("tracing")
      .key("analysis", "", "none", none, "none in place of the section: as if it were not there")
      .fields<AnalysisOptions>("analysis")
      .fields<PerplexityOptions>("perplexity")
      .key("published.source", "", FieldType::text, "where the figures stand")
      .key("published.figures", "", "a list of figures", figures_schema(),
           "figures of others, shown beside the study's own: [{split: train, model: mask, metric: rsr, value: 80, note: over}]")
      .key("sweep.KEY", "", "a list, 0..7, or a,b,c or logspace(-3,-1,5)", any,
           "values of a key under edit. or mask.; several keys: all combinations");
  return reference.list();
}

std::string study_schema() {
  Json schema{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
              {"title", "onemask study"},
              {"type", "object"},
              {"properties", Json::object()},
              {"additionalProperties", false}};
  std::vector<std::string> may_be_none;
  for (auto const& item : study_keys()) {
    if (item.values == "none") {
      may_be_none.push_back(item.key);
      continue;
    }
    auto parts = split_text(item.key, '.');
    auto const name = parts.back();
    parts.pop_back();
    auto* section = &schema;
    for (auto const& part : parts) section = &section_of(*section, part);
    auto value = Json::parse(item.schema);
    value["description"] = item.meaning + (item.unit.empty() ? "" : " [" + item.unit + "]");
    if (!item.standard.empty() && item.standard != of_the_file && !item.in_words) value["default"] = default_of(item.standard);
    if (name == "KEY") {
      (*section)["additionalProperties"] = value;
    } else {
      (*section)["properties"][name] = value;
    }
    if (item.required) (*section)["required"].push_back(name);
  }
  for (auto const& name : may_be_none) {
    auto& section = schema["properties"][name];
    section = {{"anyOf", Json::array({{{"const", "none"}}, section})}};
  }
  for (auto const* name : {"model", "facts"}) schema["required"].push_back(name);
  return schema.dump(2) + "\n";
}

}  // namespace onemask
