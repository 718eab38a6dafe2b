#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/log.hpp>
#include <onemask/core/new_file.hpp>
#include <onemask/store/object_store.hpp>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <system_error>
#include <vector>

#include <fmt/core.h>

namespace onemask {

namespace {

constexpr std::string_view kMagic = "1MASKOBJ";
constexpr std::size_t kKey = 64, kLeastPrefix = 6, kDigest = 32, kTrailer = kMagic.size() + 8 + kDigest;
constexpr int kSizeBits = 48;  // of the payload's size; the other 16 are those of the maker's

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

/// SHA-256 of key, payload and maker as 32 bytes, so that an object under another's name is recognised as well. Objects that do
/// not say what made them were once all there were.
std::string digest(std::string const& key, std::string_view payload, std::string_view made_by) {
  Hasher hasher;
  hasher.text(key).bytes(payload.data(), payload.size());
  if (!made_by.empty()) hasher.text(made_by);
  std::string const hex = hasher.hex();
  invariant(hex.size() == 2 * kDigest, "a digest has ", hex.size(), " digits");
  std::string bytes(kDigest, '\0');
  for (std::size_t i = 0; i < kDigest; ++i) bytes[i] = static_cast<char>(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
  return bytes;
}

/// Sizes of what stands before the trailer.
struct Sizes {
  std::size_t payload = 0, made_by = 0;
};

/// Magic and sizes, least significant byte first; the digest follows.
std::string trailer_head(Sizes sizes) {
  std::uint64_t const both = static_cast<std::uint64_t>(sizes.made_by) << kSizeBits | sizes.payload;
  std::string head(kMagic);
  for (int shift = 0; shift < 64; shift += 8) head += static_cast<char>(both >> shift & 0xff);
  return head;
}

/// What a trailer tells, if it is that of a file of this size.
std::optional<Sizes> sizes_in(std::string_view trailer, std::size_t file_size) {
  if (trailer.size() != kTrailer || !trailer.starts_with(kMagic)) return std::nullopt;
  std::uint64_t both = 0;
  for (std::size_t i = 0; i < 8; ++i)
    both |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(trailer[kMagic.size() + i])) << 8 * i;
  Sizes const sizes{both & ((std::uint64_t{1} << kSizeBits) - 1), both >> kSizeBits};
  if (sizes.payload + sizes.made_by + kTrailer != file_size) return std::nullopt;
  return sizes;
}

/// What the trailer of a file tells; nothing where that is not whole.
std::optional<Sizes> sizes_of(std::ifstream& file) {
  file.seekg(0, std::ios::end);
  auto const size = static_cast<std::streamoff>(file.tellg());
  std::string trailer(kTrailer, '\0');
  file.seekg(size - static_cast<std::streamoff>(kTrailer));
  if (!file.read(trailer.data(), static_cast<std::streamsize>(trailer.size()))) return std::nullopt;
  return sizes_in(trailer, static_cast<std::size_t>(size));
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

ObjectStore::ObjectStore(std::filesystem::path root, bool durable, std::string made_by)
    : root_(std::move(root)), durable_(durable), made_by_(std::move(made_by)) {
  make_folder(root_);
}

std::filesystem::path ObjectStore::file_of(std::string const& key) const {
  expect_key(key);
  return root_ / key.substr(0, 2) / key;
}

bool ObjectStore::has(std::string const& key) const {
  std::ifstream file(file_of(key), std::ios::binary);
  return sizes_of(file).has_value();
}

std::optional<std::string> ObjectStore::maker_of(std::string const& key) const {
  std::ifstream file(file_of(key), std::ios::binary);
  auto const sizes = sizes_of(file);
  if (!sizes) return std::nullopt;
  std::string made_by(sizes->made_by, '\0');
  file.seekg(static_cast<std::streamoff>(sizes->payload));
  file.read(made_by.data(), static_cast<std::streamsize>(made_by.size()));
  return file ? std::optional(made_by) : std::nullopt;
}

std::optional<StoredObject> ObjectStore::read(std::string const& key) const {
  auto const name = file_of(key);
  auto content = read_if_there(name);
  if (!content) return std::nullopt;

  if (content->size() >= kTrailer) {
    std::string_view const file(*content), trailer = file.substr(file.size() - kTrailer);
    if (auto const sizes = sizes_in(trailer, file.size())) {
      auto const made_by = file.substr(sizes->payload, sizes->made_by);
      if (trailer == trailer_head(*sizes) + digest(key, file.substr(0, sizes->payload), made_by)) {
        StoredObject object{{}, std::string(made_by)};
        content->resize(sizes->payload);
        object.payload = std::move(*content);
        return object;
      }
    }
  }
  auto aside = name;
  aside += ".damaged";
  std::error_code error;
  std::filesystem::rename(name, aside, error);
  // Where it stays, it would stand in the way of the new one.
  if (error && error != std::errc::no_such_file_or_directory) {
    throw DiskError("The object '" + name.string() + "' is damaged and cannot be moved aside: " + error.message() +
                    ". Delete it, or fix the permissions of its folder, and run the same command again.");
  }
  log_warning("The object '" + name.string() + "' is damaged and will be made again; it was moved to '" +
              aside.filename().string() + "'.");
  return std::nullopt;
}

std::optional<std::string> ObjectStore::get(std::string const& key) const {
  auto object = read(key);
  return object ? std::optional(std::move(object->payload)) : std::nullopt;
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
    throw UserError(fmt::format("The folder '{}' has {} objects whose keys begin with '{}'; give more digits.", root_.string(),
                                keys.size(), prefix));
  }
  return keys.front();
}

void ObjectStore::put(std::string const& key, std::string_view payload) const {
  put(key, payload, made_by_);
}

void ObjectStore::put(std::string const& key, std::string_view payload, std::string_view made_by) const {
  invariant(made_by.size() < std::size_t{1} << (64 - kSizeBits), "what made an object takes ", made_by.size(), " bytes to say");
  invariant(payload.size() < std::size_t{1} << kSizeBits, "an object has ", payload.size(), " bytes");
  if (has(key)) return;
  auto const name = file_of(key);
  bool const new_folder = !std::filesystem::exists(name.parent_path());
  make_folder(name.parent_path());

  auto const end = std::string(made_by) + trailer_head({payload.size(), made_by.size()}) + digest(key, payload, made_by);
  NewFile file(name);
  file.write(payload);
  file.write(end);
  file.appear(durable_);
  if (durable_ && new_folder) sync_name(name.parent_path());
}

}  // namespace onemask
