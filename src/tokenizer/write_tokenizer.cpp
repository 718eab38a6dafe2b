#include "tokenizer/detail/gpt2.hpp"
#include "tokenizer/detail/utf8.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/posix_file.hpp>
#include <onemask/tokenizer/train_tokenizer.hpp>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

using nlohmann::json;

/// What both JSON files of the tokenizer say of "<|endoftext|>"; normalized as in GPT-2's, though nothing normalizes.
json end_of_text() {
  return {{"content", detail::gpt2_end_of_text},
          {"lstrip", false},
          {"normalized", true},
          {"rstrip", false},
          {"single_word", false},
          {"special", true}};
}

/// The step that cuts words and writes bytes in GPT-2's alphabet, and its inverse.
json byte_level() {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}, {"use_regex", true}};
}

json special_tokens() {
  json names;
  for (char const* const name : {"bos_token", "eos_token", "unk_token"}) names[name] = detail::gpt2_end_of_text;
  return names;
}

}  // namespace

void write_tokenizer(TrainedTokenizer const& tokenizer, std::filesystem::path const& folder, std::int64_t model_max_length) {
  if (tokenizer.tokens.size() != tokenizer.merges.size() + 257) {
    throw ShapeError(
        fmt::format("A tokenizer of {} merges must have 257 tokens more, not {} in all. Write one as train_byte_pairs made it.",
                    tokenizer.merges.size(), tokenizer.tokens.size()));
  }
  make_folder(folder);
  std::vector<std::string> written;  // by id
  for (std::string const& token : tokenizer.tokens) written.push_back(detail::token_of_bytes(token));
  written.back() = detail::gpt2_end_of_text;

  json vocabulary = json::object(), merges = json::array();
  for (std::size_t id = 0; id < written.size(); ++id) vocabulary[written[id]] = id;
  std::string merge_lines = "#version: 0.2\n";
  for (auto const& [left, right] : tokenizer.merges) {
    std::string line = written.at(static_cast<std::size_t>(left)) + ' ' + written.at(static_cast<std::size_t>(right));
    merge_lines += line + '\n';
    merges.push_back(std::move(line));
  }
  std::size_t const last = written.size() - 1;
  json added = end_of_text();
  added["id"] = last;
  json const model = {{"type", "BPE"},
                      {"dropout", nullptr},
                      {"unk_token", nullptr},
                      {"continuing_subword_prefix", ""},
                      {"end_of_word_suffix", ""},
                      {"fuse_unk", false},
                      {"byte_fallback", false},
                      {"ignore_merges", false},
                      {"vocab", vocabulary},
                      {"merges", std::move(merges)}};
  json const whole = {{"version", "1.0"},
                      {"truncation", nullptr},
                      {"padding", nullptr},
                      {"added_tokens", json::array({added})},
                      {"normalizer", nullptr},
                      {"pre_tokenizer", byte_level()},
                      {"post_processor", byte_level()},
                      {"decoder", byte_level()},
                      {"model", model}};
  json settings = special_tokens();
  settings.update({{"added_tokens_decoder", {{std::to_string(last), end_of_text()}}},
                   {"add_prefix_space", false},
                   {"clean_up_tokenization_spaces", false},
                   {"model_max_length", model_max_length},
                   {"tokenizer_class", "GPT2TokenizerFast"}});

  auto const write = [&](char const* name, json const& content) { write_file_atomically(folder / name, content.dump(2) + '\n'); };
  write("vocab.json", vocabulary);
  write_file_atomically(folder / "merges.txt", merge_lines);
  write("tokenizer_config.json", settings);
  write("special_tokens_map.json", special_tokens());
  write("tokenizer.json", whole);
}

}  // namespace onemask
