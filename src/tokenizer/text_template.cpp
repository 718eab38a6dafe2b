#include "tokenizer/detail/text_template.hpp"

#include "tokenizer/detail/read_steps.hpp"

namespace onemask::detail {
namespace {

/// The template of the type TemplateProcessing: a list of special tokens and, at some place, the text.
TextTemplate read_pieces(JsonField const& processor) {
  TextTemplate result;
  auto const refuse = [&](std::string const& why) {
    result.refusal = processor.place() + " " + why + ". Make its 'single' one token at most, and the text behind it.";
  };
  bool behind = false;  // the text
  for (JsonField const& piece : processor.at("single").elements()) {
    std::optional<JsonField> const token = piece.find("SpecialToken");
    if (!token) {
      if (behind) refuse("puts a text twice, which is not supported");
      behind = true;
      continue;
    }
    for (JsonField const& id : processor.at("special_tokens").at(token->at("id").text()).at("ids").elements()) {
      if (behind) {
        refuse("puts '" + token->at("id").text() + "' behind every text, so that nothing could continue a prompt");
      } else if (result.before) {
        refuse("puts more than one token before a text, which is not supported");
      } else {
        result.before = id.integer();
      }
    }
  }
  if (!behind) refuse("leaves out the text, which is not supported");
  return result;
}

}  // namespace

TextTemplate read_text_template(JsonField const& processor, int depth) {
  expect_shallow(processor, depth);
  TextTemplate result;
  if (is_of_type(processor, "ByteLevel")) return result;  // moves offsets, which nobody asks for
  if (is_of_type(processor, "TemplateProcessing")) return read_pieces(processor);
  if (is_of_type(processor, "Sequence")) {
    for (JsonField const& part : processor.at("processors").elements()) {
      TextTemplate const more = read_text_template(part, depth + 1);
      if (more.before && result.before && result.refusal.empty())
        result.refusal = processor.place() + " puts more than one token before a text, which is not supported.";
      if (result.refusal.empty()) result.refusal = more.refusal;
      if (more.before) result.before = more.before;
    }
    return result;
  }
  auto const type = processor.find("type");
  result.refusal = processor.place() + " is of the type '" + (type ? type->text() : "") +
                   "', so that it is not known what stands around a text. Use the type TemplateProcessing.";
  return result;
}

}  // namespace onemask::detail
