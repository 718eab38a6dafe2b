#include "data/detail/document_reader.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/json_field.hpp>
#include <onemask/data/corpus.hpp>
#include <onemask/data/file_pattern.hpp>

#include <algorithm>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

/// A unit ends with the document in which it reaches this: about as much as runs through a model at once, so that the units' last
/// passes are not small. English text has four to five bytes a token.
constexpr std::size_t bytes_of_unit = 7 * 1024, ids_of_unit = 2048;

std::string place_of(std::string const& file, char const* what, std::size_t number) {
  return fmt::format("'{}', {} {}", file, what, number);
}

nlohmann::json parse_line(std::string const& line, std::string const& place) {
  try {
    return nlohmann::json::parse(line);
  } catch (nlohmann::json::exception const&) {
    throw UserError(place + " is not valid JSON; a file of this kind has a JSON value in every line.");
  }
}

std::vector<std::int64_t> parse_ids(std::string const& line, std::string const& place) {
  auto const value = parse_line(line, place);
  std::vector<std::int64_t> ids;
  for (auto const& id : detail::JsonField(value, place).elements()) ids.push_back(id.integer());
  return ids;
}

[[noreturn]] void throw_unknown(std::int64_t id, std::int64_t vocabulary, std::string const& place) {
  throw UserError(
      fmt::format("{} has the token id {}, but the model knows only the ids 0 to {}. "
                  "Use ids made with the tokenizer of this model.",
                  place, id, vocabulary - 1));
}

}  // namespace

Corpus Corpus::of_texts(std::vector<std::filesystem::path> const& files) {
  std::vector<File> all;
  for (auto const& pattern : files) {
    for (auto const& file : matching_files(pattern)) {
      auto const kind = file.extension();
      bool const json = kind == ".jsonl" || kind == ".ndjson" || kind == ".json";
      all.push_back({file, json ? Format::json_texts : Format::text});
    }
  }
  auto corpus = of_files(std::move(all));
  corpus.text_ = true;
  return corpus;
}

Corpus Corpus::of_ids(std::filesystem::path const& file) {
  return of_files({{file, Format::json_ids}});
}

Corpus Corpus::of_files(std::vector<File> files) {
  Corpus corpus;
  corpus.files_ = std::move(files);
  Hasher hasher;
  for (std::size_t f = 0; f < corpus.files_.size(); ++f) {
    auto const& [path, format] = corpus.files_[f];
    if (!std::filesystem::is_regular_file(path)) {
      throw UserError("The corpus file '" + path.string() + "' does not exist or is not a file. Check the path.");
    }
    hasher.integer(static_cast<int>(format)).text(sha256_file(path));
    // Earlier versions made tokens of such bytes, so their results have other names.
    if (corpus.find_units(f) > 0) hasher.text("plain line ends");
  }
  if (corpus.units_.empty()) {
    throw UserError(corpus.files_.empty() ? std::string("The corpus names no files.")
                                          : "The corpus has no documents: '" + corpus.files_.front().path.string() +
                                                "' and the files after it are blank. Name files with text.");
  }
  corpus.fingerprint_ = hasher.hex();
  return corpus;
}

Corpus Corpus::of_rows(std::vector<std::vector<std::int64_t>> rows, std::string name, std::string fingerprint) {
  Corpus corpus;
  corpus.rows_ = std::move(rows);
  corpus.name_ = std::move(name);
  corpus.fingerprint_ = std::move(fingerprint);
  for (std::size_t row = 0; row < corpus.rows_.size();) {
    auto const first = row;
    for (std::size_t ids = 0; row < corpus.rows_.size() && ids < ids_of_unit; ++row) ids += corpus.rows_[row].size();
    corpus.units_.push_back({0, first, first + 1, row - first});
  }
  if (corpus.units_.empty()) throw UserError("'" + corpus.name_ + "' holds no rows of token ids. Name a file that does.");
  return corpus;
}

std::uint64_t Corpus::find_units(std::size_t file) {
  auto const& [path, format] = files_[file];
  detail::DocumentReader reader(path, format == Format::text, 0, 1);
  std::uint64_t begin = 0;  // of the unit, in the text
  bool open = false;
  while (auto const document = reader.next()) {
    auto const place = document->offset - document->dropped;
    if (!open) {
      units_.push_back({file, document->offset, document->line, 0});
      begin = place;
    }
    ++units_.back().documents;
    // A list of ids takes about six bytes a token.
    open = place + document->text.size() - begin < (format == Format::json_ids ? 6 * ids_of_unit : bytes_of_unit);
  }
  return reader.dropped();
}

std::vector<Corpus::Document> Corpus::documents(Unit const& unit) const {
  auto const& [path, format] = files_[unit.file];
  detail::DocumentReader reader(path, format == Format::text, unit.offset, unit.line);
  std::vector<Document> documents;
  while (documents.size() < unit.documents) {
    auto document = reader.next();
    if (!document) throw RunError("The corpus file '" + path.string() + "' became shorter while it was read. Start again.");
    documents.push_back({std::move(document->text), document->line});
  }
  return documents;
}

std::vector<std::int64_t> Corpus::ids_of(Document const& document, File const& file, Tokenizer const& tokenizer) const {
  auto const place = place_of(file.path.string(), "line", document.line);
  if (file.format == Format::json_ids) return parse_ids(document.text, place);
  std::string text = document.text;
  if (file.format == Format::json_texts) {
    auto const value = parse_line(document.text, place);
    text = detail::JsonField(value, place).at("text").text();
  }
  try {
    return tokenizer.encode(text);
  } catch (UserError const& error) {
    throw UserError(place + ": " + error.what());
  }
}

std::vector<Segment> Corpus::segments(std::size_t unit, Tokenizer const& tokenizer, std::int64_t longest,
                                      std::int64_t vocabulary) const {
  auto const& u = units_[unit];
  std::vector<Segment> segments;
  std::vector<std::int64_t> head;
  if (text_ && tokenizer.adds_bos() && tokenizer.bos()) head.push_back(*tokenizer.bos());
  auto const room = longest - static_cast<std::int64_t>(head.size());
  if (room < 1) throw UserError(fmt::format("Segments of {} tokens are too short; ask for longer ones.", longest));
  auto const add = [&](std::vector<std::int64_t> const& ids, std::size_t document) {
    auto const wrong = std::find_if(ids.begin(), ids.end(), [&](auto id) { return id < 0 || id >= vocabulary; });
    if (wrong != ids.end()) throw_unknown(*wrong, vocabulary, place(unit, document));
    for (auto first = ids.begin(); first != ids.end();) {
      auto const last = first + std::min<std::ptrdiff_t>(room, ids.end() - first);
      auto& segment = segments.emplace_back(Segment{head, document});
      segment.ids.insert(segment.ids.end(), first, last);
      first = last;
    }
  };
  if (files_.empty()) {
    for (std::size_t d = 0; d < u.documents; ++d) add(rows_[u.offset + d], d);
    return segments;
  }
  auto const all = documents(u);
  for (std::size_t d = 0; d < all.size(); ++d) add(ids_of(all[d], files_[u.file], tokenizer), d);
  return segments;
}

std::string Corpus::place(std::size_t unit, std::size_t document) const {
  auto const& u = units_[unit];
  if (files_.empty()) return place_of(name_, "row", u.line + document);
  return place_of(files_[u.file].path.string(), "line", documents(u)[document].line);
}

}  // namespace onemask
