#pragma once

#include "tokenizer/detail/tokenizer_builder.hpp"
#include "tokenizer/detail/tokenizer_class.hpp"
#include <onemask/core/json_field.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace onemask::detail {

/// How messages name a file.
std::string place_of(std::filesystem::path const& file);

/// A file that may be absent, as a field.
class OptionalFile {
 public:
  explicit OptionalFile(std::filesystem::path const& file);
  std::optional<JsonField> find(std::string_view name) const;
  /// Whether it has the name, be it with null.
  bool speaks_of(std::string_view name) const;
  std::optional<JsonField> whole() const;

 private:
  std::string place_;
  std::optional<nlohmann::json> content_;
};

/// What the files beside a tokenizer's vocabulary say, read by transformers' rules.
class TokenizerFolder {
 public:
  explicit TokenizerFolder(std::filesystem::path const& folder);

  std::filesystem::path const& path() const { return folder_; }
  OptionalFile const& settings() const { return settings_; }  ///< tokenizer_config.json

  bool has_tokenizer_json() const;

  /// The class that the files name, or that of their model's type, or without tokenizer.json GPT-2's; nothing for others.
  TokenizerClass const* tokenizer_class() const;
  /// How the files name the class, for messages; empty where they do not.
  std::string class_name() const;

  /// Whether a file says what the token such as "bos_token" is, be it none.
  bool speaks_of(std::string_view token) const;
  /// Its text, from the files or the class.
  std::optional<std::string> special_token(std::string_view name) const;
  /// The id that config.json gives: "bos_token_id".
  std::optional<std::int64_t> model_token_id(std::string const& name) const;

  /// Tells the builder of the tokens that tokenizer_config.json, added_tokens.json and the special tokens add to those it has.
  void add_tokens(TokenizerBuilder& builder) const;
  /// Special tokens that are in no vocabulary get the next ids, so that a text that holds one is not read as something else.
  void add_missing_tokens(TokenizerBuilder& builder) const;

 private:
  std::optional<JsonField> special_field(std::string_view name) const;
  void add_special_tokens(TokenizerBuilder& builder, bool missing) const;

  std::filesystem::path folder_;
  OptionalFile settings_, model_;
  OptionalFile special_map_, former_added_;  // older files, which "added_tokens_decoder" in the settings replaces
  bool replaced_;
};

}  // namespace onemask::detail
