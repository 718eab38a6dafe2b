#pragma once

#include <onemask/pretrain/study.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace onemask {

/// A prompt and the object it ends with.
struct Statement {
  std::string prompt, target;
  std::string place;  ///< "'facts.jsonl', line 17", for messages
};

/// The statements of files, in order; of statements with the same prompt the first. *.jsonl hold an object with "prompt" and
/// "target" in every line; others CounterFact records, of which come the questions, the paraphrases and the neighborhood prompts,
/// each with the true object, and the attribute prompts with the new one, in this order over a whole file, so that a question is
/// never overruled. Throws UserError naming file and line for anything else.
std::vector<Statement> read_statements(std::vector<std::filesystem::path> const& files);

/// The texts that a tokenizer is trained on: all statements, then the documents of *.jsonl and other files of text whole.
std::vector<std::string> tokenizer_texts(std::vector<Statement> const& statements,
                                         std::vector<std::filesystem::path> const& text);

/// All that a model learns from, in tokens.
struct Sequences {
  struct Fact {
    std::vector<std::int64_t> plain;   ///< prompt and object as they begin a sequence
    std::vector<std::int64_t> behind;  ///< the same as they go on behind a sentence
    std::int64_t object;               ///< tokens of the object
  };
  std::vector<Fact> facts;
  std::vector<std::vector<std::int64_t>> text;  ///< pieces of documents, each of at least 2 tokens
  std::vector<std::int64_t> head;               ///< the token for a sequence's beginning, where the tokenizer has one
  std::vector<std::int64_t> period;             ///< "."
  std::string fingerprint;                      ///< hash of all of it
};

/// Throws UserError naming the place of a statement that does not fit into a row.
Sequences make_sequences(std::vector<Statement> const& statements, std::vector<std::filesystem::path> const& text,
                         Tokenizer const& tokenizer, std::int64_t row_tokens);

}  // namespace onemask
