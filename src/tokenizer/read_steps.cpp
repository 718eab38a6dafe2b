#include "tokenizer/detail/read_steps.hpp"

#include "tokenizer/detail/gpt2.hpp"
#include "tokenizer/detail/normalizer.hpp"
#include "tokenizer/detail/utf8.hpp"
#include "tokenizer/detail/word_steps.hpp"

#include <utility>

namespace onemask::detail {
namespace {

bool flag(JsonField const& step, char const* name, bool otherwise) {
  std::optional<JsonField> const field = step.find(name);
  return field ? field->boolean() : otherwise;
}

Pattern read_pattern(JsonField const& pattern, std::string const& place) {
  if (auto const literal = pattern.find("String")) return Pattern::literal(literal->text());
  return Pattern::expression(pattern.at("Regex").text(), place);
}

Cut read_cut(JsonField const& behavior) {
  static constexpr std::pair<char const*, Cut> cuts[] = {{"Removed", Cut::removed},
                                                         {"Isolated", Cut::isolated},
                                                         {"MergedWithPrevious", Cut::merged_with_previous},
                                                         {"MergedWithNext", Cut::merged_with_next},
                                                         {"Contiguous", Cut::contiguous}};
  for (auto const& [name, cut] : cuts) {
    if (behavior.text() == name) return cut;
  }
  behavior.fail("must be 'Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext' or 'Contiguous'.");
}

void add_normalizer(JsonField const& step, std::string const& place, std::vector<Step>& steps, int depth = 0) {
  expect_shallow(step, depth);
  if (is_of_type(step, "Sequence")) {
    for (JsonField const& part : step.at("normalizers").elements()) add_normalizer(part, place, steps, depth + 1);
  } else if (is_of_type(step, "NFC") || is_of_type(step, "NFD") || is_of_type(step, "NFKC") || is_of_type(step, "NFKD")) {
    steps.push_back(normalization_form(step.at("type").text()));
  } else if (is_of_type(step, "Lowercase")) {
    steps.push_back(lowercase());
  } else if (is_of_type(step, "StripAccents")) {
    steps.push_back(strip_accents());
  } else if (is_of_type(step, "Strip")) {
    steps.push_back(strip_white_space(step.at("strip_left").boolean(), step.at("strip_right").boolean()));
  } else if (is_of_type(step, "Prepend")) {
    steps.push_back(prepend(step.at("prepend").text()));
  } else if (is_of_type(step, "Replace")) {
    steps.push_back(replace(read_pattern(step.at("pattern"), place), step.at("content").text()));
  } else {
    fail_unsupported(step);
  }
}

Step read_metaspace(JsonField const& step) {
  std::string const& replacement = step.at("replacement").text();
  if (replacement.empty() || character_length(replacement) != replacement.size())
    step.at("replacement").fail("must be one character.");
  std::optional<JsonField> const scheme = step.find("prepend_scheme");
  std::string const name = scheme ? scheme->text() : "always";
  if (name != "never" && name != "first" && name != "always") scheme->fail("must be 'never', 'first' or 'always'.");
  if (name != "never" && !flag(step, "add_prefix_space", true))
    step.at("add_prefix_space").fail("contradicts 'prepend_scheme', which is '" + name + "'.");
  Prefix const prefix = name == "never" ? Prefix::never : name == "first" ? Prefix::first : Prefix::always;
  return metaspace(replacement, prefix, flag(step, "split", true));
}

void append(WordSteps&& more, WordSteps& words) {
  for (Step& step : more.steps) words.steps.push_back(std::move(step));
  words.in_bytes |= more.in_bytes;
}

void add_pre_tokenizer(JsonField const& step, std::string const& place, WordSteps& words, int depth = 0) {
  expect_shallow(step, depth);
  auto const add = [&](Step added) { words.steps.push_back(std::move(added)); };
  if (is_of_type(step, "Sequence")) {
    for (JsonField const& part : step.at("pretokenizers").elements()) add_pre_tokenizer(part, place, words, depth + 1);
  } else if (is_of_type(step, "ByteLevel")) {
    append(byte_level(flag(step, "add_prefix_space", false), flag(step, "use_regex", true)), words);
  } else if (is_of_type(step, "Split")) {
    add(split(read_pattern(step.at("pattern"), place), read_cut(step.at("behavior")), flag(step, "invert", false)));
  } else if (is_of_type(step, "Digits")) {
    bool const each = flag(step, "individual_digits", false);
    add(split(Pattern::one_of(is_number, "digits"), each ? Cut::isolated : Cut::contiguous, false));
  } else if (is_of_type(step, "Punctuation")) {
    auto const behavior = step.find("behavior");
    add(split(Pattern::one_of(is_punctuation, "punctuation"), behavior ? read_cut(*behavior) : Cut::isolated, false));
  } else if (is_of_type(step, "Whitespace")) {
    add(split_white_space_and_symbols());
  } else if (is_of_type(step, "WhitespaceSplit")) {
    add(split(Pattern::one_of(is_white_space, "white space"), Cut::removed, false));
  } else if (is_of_type(step, "Metaspace")) {
    add(read_metaspace(step));
  } else {
    fail_unsupported(step);
  }
}

}  // namespace

void expect_shallow(JsonField const& step, int depth) {
  if (depth > 16) step.fail("is nested too deeply.");
}

bool is_of_type(JsonField const& field, std::string_view type) {
  std::optional<JsonField> const named = field.find("type");
  return named && named->text() == type;
}

void fail_unsupported(JsonField const& field) {
  std::optional<JsonField> const type = field.find("type");
  field.fail((type ? "is of the type '" + type->text() + "'" : std::string("has no type")) +
             ", which is not supported. The documentation lists the tokenizers that are: docs/models.md.");
}

std::vector<Step> read_normalizer(JsonField const& normalizer, std::string const& place) {
  std::vector<Step> steps;
  add_normalizer(normalizer, place, steps);
  return steps;
}

WordSteps byte_level(bool prefix_space, bool cuts_by_gpt2) {
  WordSteps words{{}, true};
  if (prefix_space) words.steps.push_back(detail::prefix_space());
  if (cuts_by_gpt2) words.steps.push_back(split(Pattern::expression(gpt2_pattern, "GPT-2's tokenizer"), Cut::isolated, false));
  words.steps.push_back(bytes_as_characters());
  return words;
}

WordSteps read_pre_tokenizer(JsonField const& pre_tokenizer, std::optional<bool> prefix_space, std::string const& place) {
  if (prefix_space && is_of_type(pre_tokenizer, "ByteLevel"))
    return byte_level(*prefix_space, flag(pre_tokenizer, "use_regex", true));
  WordSteps words;
  add_pre_tokenizer(pre_tokenizer, place, words);
  return words;
}

}  // namespace onemask::detail
