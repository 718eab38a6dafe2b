#include "posix_file.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/log.hpp>
#include <onemask/store/object_store.hpp>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace onemask {

namespace {

constexpr std::string_view kMagic = "1MASKOBJ";
constexpr std::size_t kKey = 64, kLeastPrefix = 6, kDigest = 32, kTrailer = kMagic.size() + 8 + kDigest;

bool has_digits_only(std::string const& text) {
  return text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

void expect_key(std::string const& key) {
  bool const fits = key.size() == kKey && has_digits_only(key);
  if (!fits) throw UserError("'" + key + "' is not the key of an object: that has 64 lower-case hexadecimal digits.");
}

std::uint8_t digit(char hex) {
  return static_cast<std::uint8_t>(hex <= '9' ? hex - '0' : hex - 'a' + 10);
}

/// SHA-256 of key and payload as 32 bytes, so that an object under another's name is recognised as well.
std::string digest(std::string const& key, std::string_view payload) {
  std::string const hex = Hasher().text(key).bytes(payload.data(), payload.size()).hex();
  std::string bytes(kDigest, '\0');
  for (std::size_t i = 0; i < kDigest; ++i) bytes[i] = static_cast<char>(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
  return bytes;
}

/// Magic and length, least significant byte first; the digest follows.
std::string trailer_head(std::uint64_t payload_size) {
  std::string head(kMagic);
  for (int shift = 0; shift < 64; shift += 8) head += static_cast<char>(payload_size >> shift & 0xff);
  return head;
}

std::optional<std::string> read_if_there(std::filesystem::path const& file) {
  try {
    if (std::filesystem::exists(file)) return read_file(file);
  } catch (UserError const& error) {
    // Another process may have moved it aside meanwhile. Where it cannot be read, another rank may be able to.
    if (std::filesystem::exists(file)) throw RunError(error.what());
  }
  return std::nullopt;
}

}  // namespace

ObjectStore::ObjectStore(std::filesystem::path root, bool durable) : root_(std::move(root)), durable_(durable) {
  make_folder(root_);
}

std::filesystem::path ObjectStore::file_of(std::string const& key) const {
  expect_key(key);
  return root_ / key.substr(0, 2) / key;
}

bool ObjectStore::has(std::string const& key) const {
  std::ifstream file(file_of(key), std::ios::binary | std::ios::ate);
  std::streamoff const size = file ? static_cast<std::streamoff>(file.tellg()) : -1;
  if (size < static_cast<std::streamoff>(kTrailer)) return false;
  std::string const expected = trailer_head(static_cast<std::uint64_t>(size) - kTrailer);
  std::string found(expected.size(), '\0');
  file.seekg(size - static_cast<std::streamoff>(kTrailer));
  return file.read(found.data(), static_cast<std::streamsize>(found.size())) && found == expected;
}

std::optional<std::string> ObjectStore::get(std::string const& key) const {
  auto const name = file_of(key);
  auto content = read_if_there(name);
  if (!content) return std::nullopt;

  if (content->size() >= kTrailer) {
    std::size_t const size = content->size() - kTrailer;
    std::string_view const payload(content->data(), size), trailer(content->data() + size, kTrailer);
    if (trailer == trailer_head(size) + digest(key, payload)) {
      content->resize(size);
      return content;
    }
  }
  auto aside = name;
  aside += ".damaged";
  std::error_code error;
  std::filesystem::rename(name, aside, error);
  // Where it stays, it would stand in the way of the new one.
  if (error && error != std::errc::no_such_file_or_directory) {
    throw DiskError("The object '" + name.string() + "' is damaged and cannot be moved aside: " + error.message() +
                    ". Delete it, or mend the permissions of its folder, and start the same command again.");
  }
  log_warning("The object '" + name.string() + "' is damaged and will be made again; it was moved to '" +
              aside.filename().string() + "'.");
  return std::nullopt;
}

std::unordered_set<std::string> ObjectStore::keys() const {
  std::unordered_set<std::string> keys;
  std::error_code error;
  for (auto const& folder : std::filesystem::directory_iterator(root_, error)) {
    std::error_code no_folder;
    for (auto const& entry : std::filesystem::directory_iterator(folder.path(), no_folder)) {
      auto name = entry.path().filename().string();
      if (name.size() == kKey && has_digits_only(name)) keys.insert(std::move(name));
    }
  }
  return keys;
}

std::string ObjectStore::find(std::string const& prefix) const {
  if (prefix.size() < kLeastPrefix || prefix.size() > kKey || !has_digits_only(prefix)) {
    throw UserError("'" + prefix +
                    "' is not the key of an object, nor the beginning of one: give 6 to 64 lower-case hexadecimal digits.");
  }
  std::vector<std::string> keys;
  std::error_code no_folder;  // then there is no such key
  for (auto const& entry : std::filesystem::directory_iterator(root_ / prefix.substr(0, 2), no_folder)) {
    auto const name = entry.path().filename().string();
    if (name.starts_with(prefix) && name.size() == kKey && has_digits_only(name)) keys.push_back(name);
  }
  if (keys.empty()) throw UserError("The folder '" + root_.string() + "' has no object whose key begins with '" + prefix + "'.");
  if (keys.size() > 1) {
    throw UserError("The folder '" + root_.string() + "' has " + std::to_string(keys.size()) +
                    " objects whose keys begin with '" + prefix + "'; give more digits.");
  }
  return keys.front();
}

void ObjectStore::put(std::string const& key, std::string_view payload) const {
  if (has(key)) return;
  auto const name = file_of(key);
  bool const new_folder = !std::filesystem::exists(name.parent_path());
  make_folder(name.parent_path());

  auto const temporary = temporary_name(name);
  PosixFile file(temporary, O_WRONLY | O_CREAT | O_EXCL);
  bool const written = file.is_open() && file.write(payload) && file.write(trailer_head(payload.size()) + digest(key, payload)) &&
                       (!durable_ || file.sync()) && std::rename(temporary.c_str(), name.c_str()) == 0;
  if (!written) {
    int const reason = errno;
    ::unlink(temporary.c_str());
    errno = reason;
    throw_write_error(name);
  }
  if (!durable_) return;
  sync_folder(name.parent_path());
  if (new_folder) sync_folder(root_);
}

}  // namespace onemask
