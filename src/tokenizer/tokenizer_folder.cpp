#include "tokenizer/detail/tokenizer_folder.hpp"

#include <onemask/core/error.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/core.h>

namespace onemask::detail {
namespace {

constexpr std::array special_names{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

std::int64_t integer_of(std::string const& key, JsonField const& place) {
  std::int64_t id = 0;
  auto const [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
  if (error != std::errc() || end != key.data() + key.size()) place.fail("names the id '" + key + "', which is not an integer.");
  return id;
}

std::string const& text_of_token(JsonField const& token) {
  return token.is_text() ? token.text() : token.at("content").text();
}

}  // namespace

std::string place_of(std::filesystem::path const& file) {
  std::string place = "'";
  return place.append(file.string()).append("'");
}

OptionalFile::OptionalFile(std::filesystem::path const& file) : place_(place_of(file)) {
  if (std::filesystem::exists(file)) content_ = parse_json_file(file);
}

std::optional<JsonField> OptionalFile::whole() const {
  return content_ ? std::optional(JsonField(*content_, place_)) : std::nullopt;
}

std::optional<JsonField> OptionalFile::find(std::string_view name) const {
  return content_ ? JsonField(*content_, place_).find(name) : std::nullopt;
}

bool OptionalFile::speaks_of(std::string_view name) const {
  return content_ && content_->is_object() && content_->contains(name);
}

TokenizerFolder::TokenizerFolder(std::filesystem::path const& folder)
    : folder_(folder),
      settings_(folder / "tokenizer_config.json"),
      model_(folder / "config.json"),
      special_map_(folder / "special_tokens_map.json"),
      former_added_(folder / "added_tokens.json"),
      replaced_(settings_.speaks_of("added_tokens_decoder")) {}

bool TokenizerFolder::has_tokenizer_json() const {
  return std::filesystem::exists(folder_ / "tokenizer.json");
}

std::string TokenizerFolder::class_name() const {
  for (OptionalFile const* const file : {&settings_, &model_}) {
    if (auto const name = file->find("tokenizer_class")) return name->text();
  }
  return "";
}

TokenizerClass const* TokenizerFolder::tokenizer_class() const {
  if (auto const name = class_name(); !name.empty()) return find_tokenizer_class(name);
  if (auto const type = model_.find("model_type")) {
    if (auto const* const of_model = tokenizer_class_of_model(type->text())) return of_model;
  }
  return has_tokenizer_json() ? nullptr : find_tokenizer_class("GPT2Tokenizer");
}

std::optional<JsonField> TokenizerFolder::special_field(std::string_view name) const {
  if (!replaced_ && special_map_.speaks_of(name)) return special_map_.find(name);
  return settings_.find(name);
}

bool TokenizerFolder::speaks_of(std::string_view token) const {
  return settings_.speaks_of(token) || (!replaced_ && special_map_.speaks_of(token));
}

std::optional<std::string> TokenizerFolder::special_token(std::string_view name) const {
  if (auto const field = special_field(name)) return text_of_token(*field);
  if (speaks_of(name)) return std::nullopt;
  TokenizerClass const* const of_class = tokenizer_class();
  std::string_view const otherwise = !of_class             ? ""
                                     : name == "bos_token" ? of_class->bos
                                     : name == "eos_token" ? of_class->eos
                                                           : "";
  return otherwise.empty() ? std::nullopt : std::optional(std::string(otherwise));
}

std::optional<std::int64_t> TokenizerFolder::model_token_id(std::string const& name) const {
  std::optional<JsonField> field = model_.find(name);
  if (field && field->is_list()) {
    std::vector<JsonField> const ids = field->elements();
    field = ids.empty() ? std::nullopt : std::optional(ids.front());
  }
  return field ? std::optional(field->integer()) : std::nullopt;
}

void TokenizerFolder::add_tokens(TokenizerBuilder& builder) const {
  if (auto const added = settings_.find("added_tokens_decoder")) {
    for (auto const& [key, value] : added->object().items())
      builder.add_token(read_added_token(added->at(key), integer_of(key, *added)), added->place());
  } else if (auto const former = former_added_.whole(); former && !replaced_) {
    std::vector<std::string> special;
    for (char const* const name : special_names) {
      if (auto const token = special_token(name)) special.push_back(*token);
    }
    for (auto const& [text, value] : former->object().items()) {
      if (builder.is_added(text)) continue;  // tokenizer.json knows more of it
      bool const is_special = std::find(special.begin(), special.end(), text) != special.end();
      nlohmann::json const token = {{"content", text}, {"special", is_special}};
      builder.add_token(read_added_token(JsonField(token, former->place()), former->at(text).integer()), former->place());
    }
  }
  add_special_tokens(builder, false);
}

void TokenizerFolder::add_missing_tokens(TokenizerBuilder& builder) const {
  builder.end_vocabulary();
  add_special_tokens(builder, true);
}

/// Tokens with a role are looked for in texts, too: those that the vocabulary has, or those that it lacks.
void TokenizerFolder::add_special_tokens(TokenizerBuilder& builder, bool missing) const {
  TokenizerClass const* const of_class = tokenizer_class();
  bool const gpt2_files = !has_tokenizer_json() && of_class && of_class->files == TokenizerClass::Files::gpt2;
  auto const add = [&](std::string const& text, std::optional<JsonField> const& field) {
    auto const id = builder.find(text);
    if (text.empty() || id.has_value() == missing || builder.is_added(text)) return;
    nlohmann::json const plain = {{"content", text}, {"special", true}};
    bool const described = field && !field->is_text();
    auto entry = read_added_token(described ? *field : JsonField(plain, place_of(folder_)), id.value_or(builder.next_id()));
    entry.special = true;
    if (!described && gpt2_files) entry.normalized = true;
    builder.add_token(entry, place_of(folder_));
  };
  for (char const* const name : special_names) {
    auto const field = special_field(name);
    if (missing && !field) continue;  // of the class alone, which the model need not have
    if (auto const text = special_token(name)) add(*text, field);
  }
  if (auto const more = special_field("additional_special_tokens")) {
    for (JsonField const& token : more->elements()) add(text_of_token(token), token);
  }
}

}  // namespace onemask::detail
