#pragma once

#include <cstdint>
#include <vector>

#include <ATen/ATen.h>

namespace onemask {

/// How the tokens of several rows lie end to end in one pack, without padding: the linear layers see [tokens, …] and do no work
/// for padding; only attention spreads the rows out to [rows, width, …].
///
/// Example: two rows, positions {0,1,2} and {4,5}: tokens 5, width 3, pad {{0,1,2},{3,4,0}}, unpad {0,1,2,3,4}, row {0,0,0,1,1}.
struct Layout {
  std::vector<std::int64_t> counts;  ///< tokens of each row, at least 1
  std::int64_t tokens = 0;           ///< sum of counts
  std::int64_t width = 0;            ///< longest row
  at::Tensor positions;              ///< [tokens] int64: each token's place in its row's whole sequence
  at::Tensor row;                    ///< [tokens] int64: each token's row
  at::Tensor pad;                    ///< [rows * width] int64: token at each place, any token where the row is shorter
  at::Tensor unpad;                  ///< [tokens] int64: place in [rows * width] of each token
  at::Tensor padded_positions;       ///< [rows, width] int64: position at each place, -1 where the row is shorter

  std::int64_t rows() const { return static_cast<std::int64_t>(counts.size()); }
  /// Index in the pack of token `offset` of row `row`; a negative offset counts from the row's end.
  std::int64_t token(std::int64_t row_index, std::int64_t offset) const;
};

/// The layout of rows whose tokens stand at the given positions. Every row needs at least one token.
Layout make_layout(std::vector<std::vector<std::int64_t>> const& positions, at::Device device);

/// Rows of token ids that all start at position 0.
struct TokenRows {
  Layout layout;
  at::Tensor ids;  ///< [tokens] int64
};

/// int64 tensors of the host that go to a device in one copy: a GPU is waited for once, not once for each. They stay where they
/// are until `to`, which puts those of the device in their place.
class IndexMove {
 public:
  IndexMove& add(at::Tensor& indices);
  IndexMove& add(Layout& layout);
  IndexMove& add(TokenRows& rows) { return add(rows.layout).add(rows.ids); }
  void to(at::Device device);

 private:
  std::vector<at::Tensor*> tensors_;
};

TokenRows pack_rows(std::vector<std::vector<std::int64_t>> const& rows, at::Device device);

/// int64 tensor on `device`.
at::Tensor index_tensor(std::vector<std::int64_t> const& values, at::Device device);

}  // namespace onemask
