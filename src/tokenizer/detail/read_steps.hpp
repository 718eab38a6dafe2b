#pragma once

#include "tokenizer/detail/piece.hpp"
#include <onemask/core/json_field.hpp>

#include <optional>
#include <string>
#include <vector>

namespace onemask::detail {

/// Whether the object's "type" is this one.
bool is_of_type(JsonField const& field, std::string_view type);
/// Throws UserError: the field is of a type that is not supported.
[[noreturn]] void fail_unsupported(JsonField const& field);

/// Refuses a step that lies in sequences of sequences, deeper than any that is in use.
void expect_shallow(JsonField const& step, int depth);

/// The "normalizer" of a tokenizer.json. `place` begins the messages of expressions that fail.
std::vector<Step> read_normalizer(JsonField const& normalizer, std::string const& place);

/// The steps that cut a text into words.
struct WordSteps {
  std::vector<Step> steps;
  bool in_bytes = false;  ///< one of them writes bytes in GPT-2's alphabet, so tokens are written in it
};

/// The "pre_tokenizer" of a tokenizer.json. `prefix_space`, where given, overrides what the step ByteLevel says of it if it is
/// the only step.
WordSteps read_pre_tokenizer(JsonField const& pre_tokenizer, std::optional<bool> prefix_space, std::string const& place);

/// ByteLevel, as files without a tokenizer.json have it.
WordSteps byte_level(bool prefix_space, bool cuts_by_gpt2);

}  // namespace onemask::detail
