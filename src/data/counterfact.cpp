#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/json_field.hpp>
#include <onemask/core/reserved_names.hpp>
#include <onemask/core/text.hpp>
#include <onemask/data/counterfact.hpp>

#include <string_view>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

using detail::JsonField;

constexpr std::string_view subject_slot = "{}";

constexpr std::string_view white_space = " \t\r\n";

bool is_blank(std::string_view text) {
  return text.find_first_not_of(white_space) == text.npos;
}

std::string const& text_of(JsonField const& field) {
  if (is_blank(field.text())) field.fail("is empty.");
  if (field.text().find('\0') != std::string::npos) field.fail("has a zero byte in it.");
  return field.text();
}

/// Objects are kept without the space that separates them from the prompt, and without any behind them.
std::string object_of(JsonField const& target) {
  return trimmed(text_of(target.at("str")), white_space);
}

std::string item_of(JsonField const& target) {
  auto const item = target.find("id");
  return item ? item->text() : "";
}

std::vector<std::string> prompts_of(JsonField const& record, std::string_view name) {
  std::vector<std::string> prompts;
  if (auto const list = record.find(name)) {
    for (JsonField const& prompt : list->elements()) {
      if (text_of(prompt).find(subject_slot) != std::string::npos)
        prompt.fail("has a {} in it, but is no template: write the subject in its place.");
      prompts.push_back(prompt.text());
    }
  }
  return prompts;
}

std::string template_of(JsonField const& field) {
  std::string const& text = text_of(field);
  std::size_t const slot = text.find(subject_slot);
  if (slot == text.npos || text.find(subject_slot, slot + 1) != text.npos) {
    field.fail("must have exactly one {} for the subject; it is '" + text + "'.");
  }
  return text;
}

Fact read_fact(JsonField const& record) {
  JsonField const rewrite = record.at("requested_rewrite");
  JsonField const target_true = rewrite.at("target_true"), target_new = rewrite.at("target_new");
  auto const pararel_idx = record.find("pararel_idx");
  Fact fact;
  fact.case_id = record.at("case_id").integer();
  if (pararel_idx) fact.pararel_idx = pararel_idx->integer();
  fact.relation = text_of(rewrite.at("relation_id"));
  if (fact.relation == every_relation)
    rewrite.at("relation_id").fail("must not be 'all': tables use this name for all relations together.");
  fact.subject = text_of(rewrite.at("subject"));
  fact.prompt = template_of(rewrite.at("prompt"));
  fact.target_true = object_of(target_true);
  fact.target_new = object_of(target_new);
  if (fact.target_new == fact.target_true)
    target_new.at("str").fail("is the true object '" + fact.target_true + "' again; an edit must change it. Leave the fact out.");
  fact.target_true_id = item_of(target_true);
  fact.target_new_id = item_of(target_new);
  fact.paraphrase_prompts = prompts_of(record, "paraphrase_prompts");
  fact.neighborhood_prompts = prompts_of(record, "neighborhood_prompts");
  fact.attribute_prompts = prompts_of(record, "attribute_prompts");
  fact.generation_prompts = prompts_of(record, "generation_prompts");
  return fact;
}

/// "'facts.json': record 3 (case_id 10059)", as far as the record has a case_id.
std::string place_of(std::string const& file, std::size_t index, nlohmann::json const& record) {
  std::string place = fmt::format("'{}': record {}", file, index);
  if (record.is_object() && record.contains("case_id"))
    place += fmt::format(" (case_id {})", record.at("case_id").dump().substr(0, 32));
  return place;
}

}  // namespace

std::string Fact::question() const {
  std::string text = prompt;
  return text.replace(text.find(subject_slot), subject_slot.size(), subject);
}

std::vector<Fact> read_counterfact(std::filesystem::path const& file) {
  nlohmann::json const content = detail::parse_json_or_lines(file);
  if (!content.is_array() || content.empty()) {
    throw UserError("'" + file.string() + "' must be a list of CounterFact records, not " +
                    (content.is_array() ? "an empty list" : content.type_name()) + ".");
  }
  std::vector<Fact> facts;
  facts.reserve(content.size());
  for (nlohmann::json const& record : content) {
    facts.push_back(read_fact(JsonField(record, place_of(file.string(), facts.size(), record))));
  }
  return facts;
}

std::string fingerprint(std::vector<Fact> const& facts) {
  Hasher hasher;
  for (Fact const& fact : facts) {
    hasher.integer(fact.case_id).integer(fact.pararel_idx.has_value()).integer(fact.pararel_idx.value_or(0));
    for (auto const* text : {&fact.relation, &fact.subject, &fact.prompt, &fact.target_true, &fact.target_new,
                             &fact.target_true_id, &fact.target_new_id}) {
      hasher.text(*text);
    }
    for (auto const* prompts :
         {&fact.paraphrase_prompts, &fact.neighborhood_prompts, &fact.attribute_prompts, &fact.generation_prompts}) {
      hasher.integer(static_cast<long long>(prompts->size()));
      for (std::string const& prompt : *prompts) hasher.text(prompt);
    }
  }
  return hasher.hex();
}

}  // namespace onemask
