#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

namespace onemask {

/// Files named by the hash of what they were made from: ROOT/ab/abcdef…, so that nothing is computed twice, in this run or the
/// next.
///
/// A file is the payload and a trailer of 48 bytes with its length and SHA-256, so a torn or altered object is recognised. Any
/// number of processes may use one store; two that put the same key at once are harmless. A key is 64 lower-case hexadecimal
/// digits (`Hasher::hex`); any other throws UserError.
class ObjectStore {
 public:
  /// Makes the folder. `durable`: an object survives a power cut once `put` returned (fsync); without it only a crash of the
  /// program.
  explicit ObjectStore(std::filesystem::path root, bool durable = true);

  /// Whether a whole object is there, judged by its trailer; its bytes are checked by `get`.
  bool has(std::string const& key) const;
  /// The payload, or nothing when the object is not there. One that fails its check is moved aside, with a warning, and counts as
  /// absent. Throws DiskError when that cannot be.
  std::optional<std::string> get(std::string const& key) const;
  /// The keys of all objects, whole or not: one look into each folder, which is quick where asking for each is not.
  std::unordered_set<std::string> keys() const;
  /// The one key that begins with `prefix`, at least 6 digits. Throws UserError when there is none, or more than one.
  std::string find(std::string const& prefix) const;
  /// Stores the payload; an object that `has` already is left alone. Throws RunError when the disk fails; what was there stays.
  void put(std::string const& key, std::string_view payload) const;

 private:
  std::filesystem::path file_of(std::string const& key) const;

  std::filesystem::path root_;
  bool durable_;
};

}  // namespace onemask
