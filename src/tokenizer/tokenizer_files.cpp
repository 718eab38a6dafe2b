#include "tokenizer/detail/tokenizer_formats.hpp"
#include "tokenizer/detail/tokenizer_tables.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/model_folder.hpp>

#include <utility>

#include <fmt/core.h>

namespace onemask::detail {
namespace {

/// The id of a token such as "bos_token", where it is a token of this tokenizer.
std::optional<std::int64_t> special_id(TokenizerFolder const& folder, std::string const& name, TokenizerBuilder const& builder) {
  if (auto const token = folder.special_token(name)) {
    if (auto const id = builder.find(*token)) return id;
  }
  if (folder.speaks_of(name)) return std::nullopt;
  // A model's configuration often carries the default ids of another vocabulary; those are no tokens here.
  auto const id = folder.model_token_id(name + "_id");
  return id && builder.has(*id) ? id : std::nullopt;
}

/// What "add_bos_token" and "add_eos_token" put around a text, where they decide.
TextTemplate template_of_settings(TokenizerFolder const& folder, bool otherwise, std::optional<std::int64_t> bos) {
  OptionalFile const& settings = folder.settings();
  auto const adds_bos = settings.find("add_bos_token"), adds_eos = settings.find("add_eos_token");
  TextTemplate around;
  if (adds_eos && adds_eos->boolean()) {
    around.refusal = adds_eos->place() +
                     " is true: a token would stand behind every text, so that nothing could continue a prompt. Set it to false.";
  }
  // null is no for transformers
  if (!(adds_bos ? adds_bos->boolean() : otherwise && !settings.speaks_of("add_bos_token"))) return around;
  if (!bos) {
    auto const name = folder.special_token("bos_token");
    around.refusal = fmt::format(
        "{}: a token for the beginning is to stand before every text (add_bos_token), but {}. Name one "
        "as bos_token, or set add_bos_token to false.",
        place_of(folder.path() / "tokenizer_config.json"),
        name ? "'" + *name + "' is not a token of this tokenizer" : "no bos_token is named");
  }
  around.before = bos;
  return around;
}

/// As transformers does: by the settings for some classes, by the template for others.
TextTemplate resolve_template(TokenizerFolder const& folder, TextTemplate of_file, std::optional<std::int64_t> bos) {
  TokenizerClass const* const rules = folder.tokenizer_class();
  if (!rules) return of_file;
  bool const by_settings = rules->adds_bos || !folder.has_tokenizer_json();
  // Without any word of it in the files, the class's own token decides only where the vocabulary has it.
  bool const silent = !bos && !folder.settings().speaks_of("add_bos_token") && !folder.speaks_of("bos_token");
  if (!by_settings || (silent && rules->adds_bos.value_or(false))) return of_file;
  return template_of_settings(folder, rules->adds_bos.value_or(false), bos);
}

/// transformers makes a Llama tokenizer anew from its SentencePiece file where the setting is given.
void check_prefix_space(TokenizerFolder const& folder, bool begins_with_space) {
  TokenizerClass const* const rules = folder.tokenizer_class();
  auto const space = folder.settings().find("add_prefix_space");
  if (!rules || !rules->name.ends_with("LlamaTokenizer") || !space || space->boolean() == begins_with_space) return;
  space->fail(std::string("contradicts the tokenizer's other files, which put ") + (begins_with_space ? "a" : "no") +
              " space before a text; that is not supported. Take it out, or write the tokenizer anew with save_pretrained.");
}

[[noreturn]] void refuse_without_tokenizer(std::filesystem::path const& path) {
  require_model_folder(path);
  if (std::filesystem::exists(path / "tokenizer.model"))
    throw UserError(
        place_of(path) +
        " has its tokenizer as a SentencePiece file (tokenizer.model), which is not read. Write tokenizer.json beside "
        "it: python3 -c \"from transformers import AutoTokenizer as T; "
        "T.from_pretrained('FOLDER').save_pretrained('FOLDER')\".");
  throw UserError(place_of(path) +
                  " holds no tokenizer: neither tokenizer.json, nor vocab.json with merges.txt. Give the folder of a checkpoint "
                  "with its tokenizer.");
}

}  // namespace

TokenizerTables read_tokenizer(std::filesystem::path const& path) {
  TokenizerFolder const folder(path);
  TokenizerBuilder builder;
  TextTemplate around;
  if (folder.has_tokenizer_json()) {
    around = read_tokenizer_json(folder, builder);
  } else if (std::filesystem::exists(path / "vocab.json") && std::filesystem::exists(path / "merges.txt")) {
    read_vocabulary_and_merges(folder, builder);
  } else {
    refuse_without_tokenizer(path);
  }
  folder.add_tokens(builder);

  auto const bos = special_id(folder, "bos_token", builder), eos = special_id(folder, "eos_token", builder);
  around = resolve_template(folder, std::move(around), bos);
  folder.add_missing_tokens(builder);
  if (auto const split = folder.settings().find("split_special_tokens"); split && split->boolean())
    builder.read_special_tokens_as_text();
  TokenizerTables tables = std::move(builder).build();
  check_prefix_space(folder, tables.begins_with_space);
  tables.bos = around.before ? around.before : bos;
  tables.eos = eos;
  if (around.before) tables.fingerprint = Hasher().text(tables.fingerprint).integer(*around.before).hex();
  tables.around = std::move(around);
  return tables;
}

}  // namespace onemask::detail
