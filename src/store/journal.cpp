#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/log.hpp>
#include <onemask/core/posix_file.hpp>
#include <onemask/store/journal.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <system_error>
#include <tuple>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kChecksum = 16;
constexpr std::string_view kPrefix = "rank-", kSuffix = ".jsonl";

std::string to_line(JournalRecord const& record) {
  Json json;
  json["task"] = record.task;
  json["status"] = record.status == TaskStatus::done ? "done" : "failed";
  json["object"] = record.object;
  json["seconds"] = std::isfinite(record.seconds) ? record.seconds : 0.0;
  json["host"] = record.host;
  json["rank"] = record.rank;
  json["note"] = record.note;
  json["units"] = std::isfinite(record.units) ? record.units : 0.0;
  json["ranks"] = record.ranks;
  json["sums"] = record.sums;
  // A note may quote anything; bytes that are no UTF-8 become replacement characters.
  std::string const text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  return sha256(text).substr(0, kChecksum) + " " + text + "\n";
}

/// The record of a line without its end, or nothing when the line is not what was written.
std::optional<JournalRecord> from_line(std::string_view line) {
  if (line.size() < kChecksum + 1 || line[kChecksum] != ' ') return std::nullopt;
  std::string_view const text = line.substr(kChecksum + 1);
  if (sha256(text).substr(0, kChecksum) != line.substr(0, kChecksum)) return std::nullopt;
  try {
    Json const json = Json::parse(text);
    JournalRecord record;
    record.task = json.at("task").get<std::string>();
    auto const status = json.at("status").get<std::string>();
    if (status != "done" && status != "failed") return std::nullopt;
    record.status = status == "done" ? TaskStatus::done : TaskStatus::failed;
    record.object = json.at("object").get<std::string>();
    record.seconds = json.at("seconds").get<double>();
    record.host = json.at("host").get<std::string>();
    record.rank = json.at("rank").get<int>();
    record.note = json.at("note").get<std::string>();
    record.units = json.value("units", 0.0);
    record.ranks = json.value("ranks", 1);
    record.sums = json.value("sums", "");
    return record;
  } catch (Json::exception const&) {
    return std::nullopt;
  }
}

/// A journal by its name, rank-<rank>-<attempt>.jsonl.
struct JournalFile {
  int attempt, rank;
  std::filesystem::path path;
};

std::optional<JournalFile> parse_name(std::filesystem::path const& path) {
  std::string const name = path.filename().string();
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix) || name.size() <= kPrefix.size() + kSuffix.size())
    return std::nullopt;
  JournalFile file{0, 0, path};
  char const* const end = name.data() + name.size() - kSuffix.size();
  auto const rank = std::from_chars(name.data() + kPrefix.size(), end, file.rank);
  if (rank.ec != std::errc() || rank.ptr == end || *rank.ptr != '-') return std::nullopt;
  auto const attempt = std::from_chars(rank.ptr + 1, end, file.attempt);
  if (attempt.ec != std::errc() || attempt.ptr != end) return std::nullopt;
  return file;
}

std::vector<JournalFile> list_journals(std::filesystem::path const& folder) {
  std::vector<JournalFile> files;
  if (!std::filesystem::exists(folder)) return files;
  std::error_code error;
  for (auto const& entry : std::filesystem::directory_iterator(folder, error)) {
    if (auto file = parse_name(entry.path())) files.push_back(std::move(*file));
  }
  if (error) throw UserError("Cannot list the folder '" + folder.string() + "': " + error.message() + ". Check its permissions.");
  std::sort(files.begin(), files.end(),
            [](auto const& a, auto const& b) { return std::tie(a.attempt, a.rank) < std::tie(b.attempt, b.rank); });
  return files;
}

void read_journal(JournalFile const& file, std::vector<JournalRecord>& records) {
  std::string const content = read_file(file.path);
  std::size_t number = 0;
  for (std::size_t first = 0; first < content.size();) {
    ++number;
    std::size_t const end = content.find('\n', first);
    bool const torn = end == std::string::npos;
    auto record = torn ? std::nullopt : from_line(std::string_view(content).substr(first, end - first));
    if (record) {
      record->attempt = file.attempt;
      records.push_back(std::move(*record));
    } else {
      log_warning(fmt::format("Line {} of the journal '{}' is {} and ignored; the objects show what is done.", number,
                              file.path.string(), torn ? "incomplete" : "damaged"));
    }
    first = torn ? content.size() : end + 1;
  }
}

}  // namespace

Journal::Journal(std::filesystem::path const& folder, int rank, int attempt)
    : name_(folder / fmt::format("{}{}-{}{}", kPrefix, rank, attempt, kSuffix)) {
  make_folder(folder);
  file_ = std::make_unique<PosixFile>(name_, PosixFile::Mode::create);
  sync_name(name_);
}

Journal::~Journal() = default;

void Journal::append(JournalRecord const& record) {
  invariant(!record.task.empty() && record.ranks > 0, "a journal's record has no task, or no rank that did it");
  std::string const line = to_line(record);
  auto const again = from_line(std::string_view(line).substr(0, line.size() - 1));
  invariant(again && again->status == record.status && again->object == record.object, "the journal's record of task ",
            record.task, " cannot be read back");
  try {
    file_->write(line);
    file_->sync();
  } catch (DiskError const&) {
    // A part of a line must not spoil the record that may follow it.
    try {
      file_->truncate(static_cast<std::size_t>(size_));
    } catch (DiskError const&) {
      log_warning("The journal '" + name_.string() + "' may end in an incomplete line.");
    }
    throw;
  }
  size_ += static_cast<long long>(line.size());
}

int next_attempt(std::filesystem::path const& folder) {
  auto const files = list_journals(folder);
  return files.empty() ? 1 : files.back().attempt + 1;
}

std::vector<JournalRecord> read_journals(std::filesystem::path const& folder) {
  std::vector<JournalRecord> records;
  for (auto const& file : list_journals(folder)) read_journal(file, records);
  return records;
}

}  // namespace onemask
