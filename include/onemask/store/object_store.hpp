#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

namespace onemask {

/// What a file of the store holds.
struct StoredObject {
  std::string payload;
  std::string made_by;  ///< kind of machine and software that made it; empty: the object does not say
};

/// Files named by the hash of what they were made from: ROOT/ab/abcdef…, so that nothing is computed twice, in this run or the
/// next.
///
/// A file is the payload, what it was made by, and a trailer of 48 bytes with their lengths and SHA-256, so a torn or altered
/// object is recognised. Any number of processes may use one store; two that put the same key at once are harmless. A key is 64
/// lower-case hexadecimal digits (`Hasher::hex`); any other throws UserError.
class ObjectStore {
 public:
  /// Makes the folder. `durable`: an object survives a power cut once `put` returned (fsync); without it only a crash of the
  /// program. `made_by` goes into the objects that this process puts; at most 65535 bytes of it.
  explicit ObjectStore(std::filesystem::path root, bool durable = true, std::string made_by = {});

  /// Whether a whole object is there, judged by its trailer; its bytes are checked by `get`.
  bool has(std::string const& key) const;
  /// What made a whole object, so judged; nothing when it is not there.
  std::optional<std::string> maker_of(std::string const& key) const;
  /// The object, or nothing when it is not there. One that fails its check is moved aside, with a warning, and counts as absent.
  /// Throws DiskError when that cannot be.
  std::optional<StoredObject> read(std::string const& key) const;
  /// Its payload alone.
  std::optional<std::string> get(std::string const& key) const;
  /// The keys of all objects, whole or not: one look into each folder, which is quick where asking for each is not.
  std::unordered_set<std::string> keys() const;
  /// The one key that begins with `prefix`, at least 6 digits. Throws UserError when there is none, or more than one.
  std::string find(std::string const& prefix) const;
  /// Stores the payload; an object that `has` already is left alone. Throws RunError when the disk fails; what was there stays.
  void put(std::string const& key, std::string_view payload) const;
  /// The same of what others had a part in.
  void put(std::string const& key, std::string_view payload, std::string_view made_by) const;
  /// What this process makes objects by.
  std::string const& made_by() const { return made_by_; }

 private:
  std::filesystem::path file_of(std::string const& key) const;

  std::filesystem::path root_;
  bool durable_;
  std::string made_by_;
};

}  // namespace onemask
