#pragma once

#include <onemask/tokenizer/tokenizer.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace onemask {

/// Consecutive tokens of one document, at most as many as a model reads at once. A segment stands by itself: it starts at
/// position 0.
struct Segment {
  std::vector<std::int64_t> ids;
  std::size_t document;  ///< of the unit, from 0
};

/// Texts, or token ids, to run a model over; cut into documents, and these into units of consecutive documents, which are what is
/// dealt out to ranks. The cuts depend on the content alone.
///
/// Only the places of the units are kept in memory; a unit is read when it is asked for.
class Corpus {
 public:
  /// What a file holds.
  enum class Format {
    text,        ///< documents between blank lines; one that goes on for 64 KiB ends with its line. Line ends are \n or \r\n
    json_texts,  ///< a line per document, an object with the field "text"
    json_ids,    ///< a line per document, a list of token ids
  };

  /// Files of texts in the given order: *.jsonl, *.ndjson and *.json are of JSON lines, others plain. A name may be a pattern
  /// such as "wiki/*.txt"; its files follow in the order of their names. Throws UserError naming the file or pattern that cannot
  /// be read, or when there are no documents at all.
  static Corpus of_texts(std::vector<std::filesystem::path> const& files);
  /// A file of JSON lines, each a list of token ids. Throws UserError as above.
  static Corpus of_ids(std::filesystem::path const& file);
  /// Rows of token ids from elsewhere; `name` stands for the file in messages, `fingerprint` for its content.
  static Corpus of_rows(std::vector<std::vector<std::int64_t>> rows, std::string name, std::string fingerprint);

  bool is_text() const { return text_; }
  std::size_t units() const { return units_.size(); }
  /// Hash of what the files hold and how it is read, not of their names.
  std::string const& fingerprint() const { return fingerprint_; }

  /// The documents of a unit as segments of at most `longest` tokens. Texts are tokenized, each segment headed by the tokenizer's
  /// token for the beginning of a text where its model expects one. Documents without tokens give no segment.
  /// Throws UserError naming file and line when a document cannot be read or has an id that is not below `vocabulary`.
  std::vector<Segment> segments(std::size_t unit, Tokenizer const& tokenizer, std::int64_t longest,
                                std::int64_t vocabulary) const;
  /// Where a document of a unit stands, for messages: "'wiki.txt', line 17".
  std::string place(std::size_t unit, std::size_t document) const;

 private:
  struct File {
    std::filesystem::path path;
    Format format;
  };
  /// Documents of a file; rows, where there are no files.
  struct Unit {
    std::size_t file;
    std::uint64_t offset;  ///< [bytes]; [rows]
    std::size_t line;      ///< of the first document, from 1
    std::size_t documents;
  };
  struct Document {
    std::string text;
    std::size_t line;
  };

  static Corpus of_files(std::vector<File> files);
  /// Returns how many bytes of line ends and marks it passed over.
  std::uint64_t find_units(std::size_t file);
  std::vector<Document> documents(Unit const& unit) const;
  std::vector<std::int64_t> ids_of(Document const& document, File const& file, Tokenizer const& tokenizer) const;

  bool text_ = false;
  std::vector<File> files_;
  std::vector<std::vector<std::int64_t>> rows_;
  std::string name_;  ///< of the rows
  std::vector<Unit> units_;
  std::string fingerprint_;
};

}  // namespace onemask
