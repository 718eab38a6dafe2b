#include "pretrain/sequences.hpp"

#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/text_file.hpp>
#include <onemask/data/corpus.hpp>
#include <onemask/data/counterfact.hpp>
#include <onemask/data/prompt.hpp>

#include <unordered_set>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

bool is_json_lines(std::filesystem::path const& file) {
  return file.extension() == ".jsonl" || file.extension() == ".ndjson";
}

std::string place_of(std::string const& file, std::size_t line) {
  return fmt::format("'{}', line {}", file, line);
}

/// Calls visit(value, place) for the JSON value of every line that is not blank.
template <typename Visit>
void visit_lines(std::filesystem::path const& file, Visit const& visit) {
  auto const content = read_text(file);
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < content.size();) {
    auto const end = std::min(content.find('\n', begin), content.size());
    ++number;
    if (content.find_first_not_of(" \t\r", begin) < end) {
      auto const value = nlohmann::json::parse(content.begin() + static_cast<std::ptrdiff_t>(begin),
                                               content.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
      if (!value.is_object()) throw UserError(place_of(file.string(), number) + " is not a JSON object; every line must be one.");
      visit(value, place_of(file.string(), number));
    }
    begin = end + 1;
  }
}

std::string text_field(nlohmann::json const& object, char const* name, std::string const& place) {
  auto const found = object.find(name);
  if (found == object.end() || !found->is_string()) throw UserError(place + " has no text '" + name + "'.");
  return found->get<std::string>();
}

std::string need_text(nlohmann::json const& object, char const* name, std::string const& place) {
  auto text = text_field(object, name, place);
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) throw UserError(place + ": '" + name + "' is empty.");
  return text;
}

void add_records(std::filesystem::path const& file, std::vector<Statement>& statements) {
  auto const facts = read_counterfact(file);
  auto const name = file.string();
  auto const add = [&](Fact const& fact, std::string const& prompt, std::string const& target) {
    statements.push_back({prompt, target, fmt::format("'{}', case_id {}", name, fact.case_id)});
  };
  for (auto const& fact : facts) add(fact, fact.question(), fact.target_true);
  for (auto const& fact : facts) {
    for (auto const& prompt : fact.paraphrase_prompts) add(fact, prompt, fact.target_true);
  }
  for (auto const& fact : facts) {
    for (auto const& prompt : fact.neighborhood_prompts) add(fact, prompt, fact.target_true);
  }
  for (auto const& fact : facts) {
    for (auto const& prompt : fact.attribute_prompts) add(fact, prompt, fact.target_new);
  }
}

/// "A prompt" and " an object", one space between them.
std::string joined(Statement const& statement) {
  auto const spaces = std::min(statement.target.find_first_not_of(' '), statement.target.size());
  std::string text = statement.prompt;
  return text.append(" ").append(statement.target, spaces);
}

std::vector<std::int64_t> chain(std::vector<std::int64_t> first, std::vector<std::int64_t> const& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

}  // namespace

std::vector<Statement> read_statements(std::vector<std::filesystem::path> const& files) {
  std::vector<Statement> all;
  for (auto const& file : files) {
    if (is_json_lines(file)) {
      visit_lines(file, [&](nlohmann::json const& value, std::string const& place) {
        all.push_back({need_text(value, "prompt", place), need_text(value, "target", place), place});
      });
    } else {
      add_records(file, all);
    }
  }
  std::unordered_set<std::string> seen;
  std::erase_if(all, [&](Statement const& statement) { return !seen.insert(statement.prompt).second; });
  if (all.empty()) throw UserError("The files of statements are empty. Name files with at least one statement.");
  return all;
}

std::vector<std::string> tokenizer_texts(std::vector<Statement> const& statements,
                                         std::vector<std::filesystem::path> const& text) {
  std::vector<std::string> texts;
  for (auto const& statement : statements) texts.push_back(joined(statement));
  for (auto const& file : text) {
    if (is_json_lines(file)) {
      visit_lines(file, [&](nlohmann::json const& value, std::string const& place) {
        texts.push_back(text_field(value, "text", place));
      });
    } else {
      texts.push_back(with_plain_line_ends(read_text(file)));
    }
  }
  return texts;
}

Sequences make_sequences(std::vector<Statement> const& statements, std::vector<std::filesystem::path> const& text,
                         Tokenizer const& tokenizer, std::int64_t row_tokens) {
  Sequences sequences;
  if (tokenizer.adds_bos() && tokenizer.bos()) sequences.head.push_back(*tokenizer.bos());
  sequences.period = tokenizer.encode(".");
  Hasher hasher;
  hasher.text(tokenizer.fingerprint());
  auto const feed = [&](std::vector<std::int64_t> const& ids) {
    hasher.integer(std::ssize(ids)).bytes(ids.data(), ids.size() * sizeof(std::int64_t));
  };
  for (auto const& statement : statements) {
    auto const object = encode_target(tokenizer, statement.target);
    auto const behind = tokenizer.begins_with_space() ? statement.prompt : " " + statement.prompt;
    Sequences::Fact fact{chain(encode_prompt(tokenizer, statement.prompt), object), chain(tokenizer.encode(behind), object),
                         std::ssize(object)};
    auto const longest = std::ssize(fact.plain);
    if (longest > row_tokens) {
      throw UserError(
          fmt::format("{} has {} tokens, but training.row_tokens is {}. Make the rows longer, or leave the statement out.",
                      statement.place, longest, row_tokens));
    }
    feed(fact.plain);
    feed(fact.behind);
    hasher.integer(fact.object);
    sequences.facts.push_back(std::move(fact));
  }
  if (!text.empty()) {
    auto const corpus = Corpus::of_texts(text);
    for (std::size_t unit = 0; unit < corpus.units(); ++unit) {
      for (auto& segment : corpus.segments(unit, tokenizer, row_tokens, tokenizer.vocabulary_size())) {
        if (segment.ids.size() < 2) continue;
        feed(segment.ids);
        sequences.text.push_back(std::move(segment.ids));
      }
    }
  }
  sequences.fingerprint = hasher.hex();
  return sequences;
}

}  // namespace onemask
