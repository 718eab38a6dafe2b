#include "tokenizer/detail/read_steps.hpp"
#include "tokenizer/detail/tokenizer_formats.hpp"
#include <onemask/core/text.hpp>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask::detail {
namespace {

bool is_true(std::optional<JsonField> const& field) {
  return field && field->boolean();
}

BytePairs::Rules read_rules(JsonField const& model) {
  auto const unknown = model.find("unk_token");
  return {is_true(model.find("byte_fallback")), unknown ? std::optional(unknown->text()) : std::nullopt,
          is_true(model.find("fuse_unk")), is_true(model.find("ignore_merges"))};
}

void read_model(JsonField const& model, std::string const& place, TokenizerBuilder& builder) {
  if (model.find("type") && !is_of_type(model, "BPE")) fail_unsupported(model);  // the oldest files give no type
  if (auto const dropout = model.find("dropout"); dropout && model.object().at("dropout") != 0)
    dropout->fail("is not 0: merges would be left out at random, and ids would differ from call to call. Set it to 0.");
  for (char const* const affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    std::optional<JsonField> const field = model.find(affix);
    if (field && !field->text().empty()) field->fail("is set, which is not supported.");
  }
  builder.add_vocabulary(model.at("vocab"), read_rules(model), place);
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

std::optional<bool> prefix_space_of(TokenizerFolder const& folder) {
  TokenizerClass const* const rules = folder.tokenizer_class();
  return rules && rules->sets_prefix_space ? std::optional(is_true(folder.settings().find("add_prefix_space"))) : std::nullopt;
}

}  // namespace

TextTemplate read_tokenizer_json(TokenizerFolder const& folder, TokenizerBuilder& builder) {
  std::filesystem::path const file = folder.path() / "tokenizer.json";
  nlohmann::json const content = parse_json_file(file);
  std::string const place = place_of(file);
  JsonField const tokenizer(content, place);
  if (auto const normalizer = tokenizer.find("normalizer")) builder.set_normalizer(read_normalizer(*normalizer, place));
  if (auto const words = tokenizer.find("pre_tokenizer"))
    builder.set_word_steps(read_pre_tokenizer(*words, prefix_space_of(folder), place));
  read_model(tokenizer.at("model"), place, builder);
  if (auto const added = tokenizer.find("added_tokens")) {
    for (JsonField const& token : added->elements())
      builder.add_token(read_added_token(token, token.at("id").integer()), token.place());
  }
  auto const processor = tokenizer.find("post_processor");
  TextTemplate around = processor ? read_text_template(*processor) : TextTemplate();
  if (around.before && !builder.has(*around.before))
    processor->fail(fmt::format("puts the id {} before a text, which is not a token.", *around.before));
  return around;
}

}  // namespace onemask::detail
