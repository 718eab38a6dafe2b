#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace onemask {

/// Bytes on their way between single ranks of a group. It keeps the memory that they are in for as long as it may be touched.
class Transfers {
 public:
  virtual ~Transfers() = default;

  /// Both throw RunError, LostRank where the other rank is lost. `owner` keeps `bytes` alive.
  virtual void send(int to, void const* bytes, std::size_t size, std::shared_ptr<void const> owner) = 0;
  virtual void receive(int from, void* bytes, std::size_t size, std::shared_ptr<void const> owner) = 0;

  /// Waits until all has arrived, in naps that call `meanwhile`. Throws as the others do, and what `meanwhile` throws.
  virtual void wait(std::string const& what, std::function<void()> const& meanwhile) = 0;
};

}  // namespace onemask
