#include "tokenizer/detail/gpt2.hpp"
#include "tokenizer/detail/tokenizer_builder.hpp"
#include "tokenizer/detail/tokenizer_tables.hpp"
#include "tokenizer/detail/utf8.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/json_field.hpp>
#include <onemask/core/text.hpp>

#include <charconv>
#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask::detail {
namespace {

std::string place_of(std::filesystem::path const& file) {
  std::string place = "'";
  return place.append(file.string()).append("'");
}

/// A file that may be absent, as a field.
class OptionalFile {
 public:
  explicit OptionalFile(std::filesystem::path const& file) : place_(place_of(file)) {
    if (std::filesystem::exists(file)) content_ = parse_json_file(file);
  }
  std::optional<JsonField> find(std::string_view name) const {
    return content_ ? JsonField(*content_, place_).find(name) : std::nullopt;
  }
  bool says_null(std::string_view name) const {
    return content_ && content_->is_object() && content_->contains(name) && content_->at(std::string(name)).is_null();
  }

 private:
  std::string place_;
  std::optional<nlohmann::json> content_;
};

[[noreturn]] void fail_unsupported(JsonField const& field) {
  std::optional<JsonField> const type = field.find("type");
  field.fail((type ? "is of the type '" + type->text() + "'" : std::string("has no type")) +
             ", which is not supported; the byte-pair encodings of GPT-2, GPT-J, Llama, Mistral and Qwen2 are.");
}

bool is_of_type(JsonField const& field, std::string_view type) {
  std::optional<JsonField> const named = field.find("type");
  return named && named->text() == type;
}

bool is_true(std::optional<JsonField> const& field) {
  return field && field->boolean();
}

void refuse(std::optional<JsonField> const& field) {
  if (field) field->fail("is set, which is not supported.");
}

Spelling spelling_of(JsonField const& model) {
  return is_true(model.find("byte_fallback")) ? Spelling::characters : Spelling::bytes;
}

void read_model(JsonField const& model, std::string const& place, TokenizerBuilder& builder) {
  if (model.find("type") && !is_of_type(model, "BPE")) fail_unsupported(model);  // the oldest files give no type
  refuse(model.find("dropout"));
  for (char const* const affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    std::optional<JsonField> const field = model.find(affix);
    if (field && !field->text().empty()) refuse(field);
  }
  builder.add_vocabulary(model.at("vocab"), spelling_of(model), is_true(model.find("ignore_merges")));
  std::size_t rank = 0;
  for (JsonField const& merge : model.at("merges").elements()) {
    std::string const here = fmt::format("{}: merge {}", place, rank++);
    if (merge.is_list()) {
      std::vector<JsonField> const pair = merge.elements();
      if (pair.size() != 2) merge.fail("must be two tokens.");
      builder.add_merge(pair[0].text(), pair[1].text(), here);
    } else {
      std::vector<std::string> const pair = split_text(merge.text(), ' ');
      if (pair.size() != 2) merge.fail("must be two tokens with one space between them.");
      builder.add_merge(pair[0], pair[1], here);
    }
  }
}

/// A text of a step of the file that has to be the one given.
void require_text(JsonField const& field, std::string_view text) {
  if (field.text() != text) field.fail("must be '" + std::string(text) + "'; others are not supported.");
}

void read_normalizer(JsonField const& normalizer, TokenizerBuilder& builder) {
  bool const several = is_of_type(normalizer, "Sequence");
  for (JsonField const& step : several ? normalizer.at("normalizers").elements() : std::vector{normalizer}) {
    if (is_of_type(step, "NFC")) {
      builder.add_normalizer_step(NormalizerStep::nfc);
    } else if (is_of_type(step, "Prepend")) {
      require_text(step.at("prepend"), written_space);
      builder.add_normalizer_step(NormalizerStep::prepend_space);
    } else if (is_of_type(step, "Replace")) {
      require_text(step.at("pattern").at("String"), " ");
      require_text(step.at("content"), written_space);
      builder.add_normalizer_step(NormalizerStep::write_spaces);
    } else {
      fail_unsupported(step);
    }
  }
}

/// The step that writes U+2581 for spaces, where the whole text is one word.
void read_metaspace(JsonField const& step, TokenizerBuilder& builder) {
  if (!is_of_type(step, "Metaspace")) fail_unsupported(step);
  require_text(step.at("replacement"), written_space);
  if (step.at("split").boolean()) step.at("split").fail("is true, which is not supported.");
  std::optional<JsonField> const scheme = step.find("prepend_scheme");
  std::string const name = scheme ? scheme->text() : "always";
  if (name != "never" && name != "first" && name != "always") scheme->fail("must be 'never', 'first' or 'always'.");
  builder.set_space_prefix(name == "never" ? SpacePrefix::never : name == "first" ? SpacePrefix::first : SpacePrefix::always);
}

/// One of the steps that cut a text into words; true for the last one, which turns words into bytes.
bool read_word_step(JsonField const& step, std::string const& place, TokenizerBuilder& builder) {
  if (is_of_type(step, "Split")) {
    if (step.at("behavior").text() != "Isolated") step.at("behavior").fail("must be 'Isolated'; others are not supported.");
    if (is_true(step.find("invert"))) step.at("invert").fail("is true, which is not supported.");
    builder.add_pattern(step.at("pattern").at("Regex").text(), place);
    return false;
  }
  if (!is_of_type(step, "ByteLevel")) fail_unsupported(step);
  if (is_true(step.find("add_prefix_space"))) step.at("add_prefix_space").fail("is true, which is not supported.");
  std::optional<JsonField> const use_regex = step.find("use_regex");
  if (!use_regex || use_regex->boolean()) builder.add_pattern(gpt2_pattern, place);
  return true;
}

void read_word_steps(JsonField const& steps, std::string const& place, TokenizerBuilder& builder) {
  bool in_bytes = false;
  std::vector<JsonField> const list = is_of_type(steps, "Sequence") ? steps.at("pretokenizers").elements() : std::vector{steps};
  for (JsonField const& step : list) {
    if (in_bytes) step.fail("follows the step 'ByteLevel', which must be the last.");
    in_bytes = read_word_step(step, place, builder);
  }
  if (!in_bytes) steps.fail("has no step 'ByteLevel'; only byte-level tokenizers are supported.");
}

/// The token that a post-processor puts before every text.
std::optional<std::int64_t> read_prefix(JsonField const& processor) {
  if (is_of_type(processor, "ByteLevel")) return std::nullopt;
  std::optional<std::int64_t> prefix;
  auto const put = [&](std::int64_t id) {
    if (prefix) processor.fail("puts more than one token before a text, which is not supported.");
    prefix = id;
  };
  if (is_of_type(processor, "Sequence")) {
    for (JsonField const& part : processor.at("processors").elements()) {
      if (is_of_type(part, "Sequence")) part.fail("is a Sequence within a Sequence, which is not supported.");
      if (auto const id = read_prefix(part)) put(*id);
    }
  } else if (is_of_type(processor, "TemplateProcessing")) {
    for (JsonField const& piece : processor.at("single").elements()) {
      std::optional<JsonField> const token = piece.find("SpecialToken");
      if (!token) break;
      for (JsonField const& id : processor.at("special_tokens").at(token->at("id").text()).at("ids").elements())
        put(id.integer());
    }
  } else {
    fail_unsupported(processor);
  }
  return prefix;
}

/// Returns the token that goes before every text.
std::optional<std::int64_t> read_tokenizer_json(std::filesystem::path const& file, TokenizerBuilder& builder) {
  nlohmann::json const content = parse_json_file(file);
  std::string const place = place_of(file);
  JsonField const tokenizer(content, place);
  if (auto const normalizer = tokenizer.find("normalizer")) read_normalizer(*normalizer, builder);
  read_model(tokenizer.at("model"), place, builder);
  if (spelling_of(tokenizer.at("model")) == Spelling::bytes) {
    read_word_steps(tokenizer.at("pre_tokenizer"), place, builder);
  } else if (auto const step = tokenizer.find("pre_tokenizer")) {
    read_metaspace(*step, builder);
  }
  if (auto const added = tokenizer.find("added_tokens")) {
    for (JsonField const& token : added->elements()) builder.add_token(token, token.at("id").integer());
  }
  auto const processor = tokenizer.find("post_processor");
  std::optional<std::int64_t> const prefix = processor ? read_prefix(*processor) : std::nullopt;
  if (prefix && !builder.has(*prefix))
    processor->fail(fmt::format("puts the id {} before a text, which is not a token.", *prefix));
  return prefix;
}

void read_vocabulary_and_merges(std::filesystem::path const& folder, OptionalFile const& settings, TokenizerBuilder& builder) {
  std::filesystem::path const vocabulary_file = folder / "vocab.json", merges_file = folder / "merges.txt";
  nlohmann::json const vocabulary = parse_json_file(vocabulary_file);
  builder.add_vocabulary(JsonField(vocabulary, place_of(vocabulary_file)), Spelling::bytes, false);
  std::size_t number = 0;
  for (std::string& line : split_text(read_file(merges_file), '\n')) {
    std::string const here = fmt::format("{}: line {}", place_of(merges_file), ++number);
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || (number == 1 && line.starts_with("#version"))) continue;
    std::vector<std::string> const pair = split_text(line, ' ');
    if (pair.size() != 2) throw UserError(here + " must be two tokens with one space between them.");
    builder.add_merge(pair[0], pair[1], here);
  }
  builder.add_pattern(gpt2_pattern, place_of(folder));

  if (auto const added = settings.find("added_tokens_decoder")) {
    for (auto const& [key, value] : added->object().items()) {
      std::int64_t id = 0;
      auto const [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
      if (error != std::errc() || end != key.data() + key.size())
        added->fail("names the id '" + key + "', which is not an integer.");
      builder.add_token(added->at(key), id);
    }
  } else if (auto const end_of_text = builder.find(gpt2_end_of_text)) {
    builder.add_token(gpt2_end_of_text, *end_of_text, true, place_of(vocabulary_file));
  }
}

/// The token that the files call `name` ("bos_token"): the first of them that speaks of it decides.
std::optional<std::int64_t> read_special(std::filesystem::path const& folder, OptionalFile const& settings,
                                         std::string const& name, TokenizerBuilder const& builder) {
  OptionalFile const map(folder / "special_tokens_map.json");
  for (OptionalFile const* const file : {&settings, &map}) {
    if (file->says_null(name)) return std::nullopt;
    if (auto const field = file->find(name)) {
      std::string const& token = field->is_text() ? field->text() : field->at("content").text();
      std::optional<std::int64_t> const id = builder.find(token);
      if (!id) field->fail("names '" + token + "', which is not a token of this tokenizer.");
      return id;
    }
  }
  OptionalFile const model(folder / "config.json");
  std::optional<JsonField> field = model.find(name + "_id");
  if (field && field->is_list()) {
    std::vector<JsonField> const ids = field->elements();
    field = ids.empty() ? std::nullopt : std::optional(ids.front());
  }
  // A model's configuration often carries the default ids of another vocabulary; those are no tokens here.
  return field && builder.has(field->integer()) ? std::optional(field->integer()) : std::nullopt;
}

}  // namespace

TokenizerTables read_tokenizer(std::filesystem::path const& folder) {
  OptionalFile const settings(folder / "tokenizer_config.json");
  TokenizerBuilder builder;
  std::optional<std::int64_t> prefix, default_special;
  if (std::filesystem::exists(folder / "tokenizer.json")) {
    prefix = read_tokenizer_json(folder / "tokenizer.json", builder);
  } else if (std::filesystem::exists(folder / "vocab.json") && std::filesystem::exists(folder / "merges.txt")) {
    read_vocabulary_and_merges(folder, settings, builder);
    default_special = builder.find(gpt2_end_of_text);
  } else {
    throw UserError(place_of(folder) +
                    " holds no tokenizer: neither tokenizer.json, nor vocab.json with merges.txt. Give the folder "
                    "of a checkpoint with its tokenizer.");
  }

  std::optional<std::int64_t> bos = read_special(folder, settings, "bos_token", builder);
  std::optional<std::int64_t> eos = read_special(folder, settings, "eos_token", builder);
  if (!bos) bos = prefix ? prefix : default_special;
  if (!eos) eos = default_special;
  bool const adds_bos = prefix || is_true(settings.find("add_bos_token"));
  if (prefix && bos != prefix) {
    throw UserError(
        fmt::format("{}: tokenizer.json puts the token {} before a text, but the token for the beginning is {}. "
                    "Make the two agree.",
                    place_of(folder), *prefix, *bos));
  }
  if (adds_bos && !bos)
    throw UserError(place_of(folder / "tokenizer_config.json") + ": add_bos_token is true, but no bos_token is named.");

  TokenizerTables tables = std::move(builder).build();
  auto const space = settings.find("add_prefix_space");
  if (space && space->boolean() != tables.begins_with_space) {
    space->fail(std::string("contradicts the tokenizer's other files, which put ") + (tables.begins_with_space ? "a" : "no") +
                " space before a text; that is not supported.");
  }
  tables.bos = bos;
  tables.eos = eos;
  tables.adds_bos = adds_bos;
  return tables;
}

}  // namespace onemask::detail
