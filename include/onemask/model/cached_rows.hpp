#pragma once

#include <onemask/model/pass.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace onemask {

/// Rows of tokens, run once up to the second projection of a layer and kept. What an edit or a mask of that projection changes is
/// above; so every step, epoch and evaluation begins here.
class CachedRows {
 public:
  CachedRows(CausalLM const& model, int layer, std::vector<std::vector<std::int64_t>> const& rows);

  std::size_t size() const { return halves_.size(); }

  /// Some of the rows, in the given order, end to end.
  struct Batch {
    Layout layout;
    Halfway half;
  };
  Batch batch(std::span<std::int64_t const> rows) const;
  /// The same, its layout on the host: for who has more to move to the device.
  Batch batch_with_host_layout(std::span<std::int64_t const> rows) const;

 private:
  at::Device device_;
  std::vector<Halfway> halves_;  ///< by row
};

}  // namespace onemask
