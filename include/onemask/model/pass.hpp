#pragma once

#include <onemask/model/causal_lm.hpp>
#include <onemask/model/layout.hpp>

#include <optional>
#include <vector>

#include <ATen/ATen.h>

namespace onemask {

/// Changes of one layer's second projection for the duration of a pass; the weights themselves are never copied:
///   y = ((W + Σ_k left_k right_kᵀ) ∘ M) x + b,   computed as   (W∘M) x + Σ_k left_k ∘ (M (right_k ∘ x)) + b,
/// which is the same two matrix products for every row of a batch, however many different edits its rows carry. A mask may be put
/// on one of the two terms alone.
struct ProjectionOverride {
  at::Tensor left;                              ///< [edits, rank, out], value side; undefined: no edit
  at::Tensor right;                             ///< [edits, rank, in], key side
  at::Tensor edit;                              ///< [tokens] int64: the edit that each token's model carries
  at::Tensor mask;                              ///< [out, in] in the model's dtype; undefined: no mask
  bool masks_weight = true, masks_edit = true;  ///< what the mask is put on: W, and the change of it
};

/// y [tokens, out] from keys [tokens, in].
at::Tensor project(Projection const& projection, at::Tensor const& key, ProjectionOverride const& change = {});

/// A layer stopped before its second projection. No field depends on that projection, its edits or its masks.
struct Halfway {
  at::Tensor residual;        ///< [tokens, hidden], attention already added
  at::Tensor key;             ///< [tokens, inner]
  at::Tensor attention = {};  ///< [tokens, hidden], what attention added; undefined where nobody has kept it
};

/// Keys and values of earlier positions that this pass does not compute, spread out by row.
struct Past {
  std::vector<at::Tensor> keys, values;  ///< by layer, [rows, kv_heads, past, head_dim]; undefined for layers that no pass runs
  at::Tensor positions;                  ///< [rows, past] int64, -1 where a row has fewer
};

/// The layout of single tokens of `layout`, one or more per row, and their indices: what run(…, wanted, tokens) takes.
struct Wanted {
  Layout layout;
  at::Tensor tokens;  ///< [tokens] int64, indices in the pack
};

/// Runs layers of a model over packed rows: from any layer, to any layer, on the tokens of `layout`, with the given past.
class Pass {
 public:
  Pass(CausalLM const& model, Layout layout, std::optional<Past> past = {});

  Layout const& layout() const { return layout_; }

  /// Residual stream before layer 0.
  at::Tensor embed(at::Tensor const& ids) const { return model_.embed(ids, layout_.positions); }
  /// `layer` up to its second projection. With `seen`, keeps the layer's keys and values; with `probabilities`, what attention()
  /// gives.
  Halfway halfway(int layer, at::Tensor const& residual, KeyValue* seen = nullptr, at::Tensor* probabilities = nullptr) const;
  /// Attention probabilities of a layer, [rows, heads, width, past + width]: of each query over all places, which add up to 1.
  /// Those of a query past its row's end mean nothing. With `wanted` only the queries of these tokens, in the width of their
  /// layout.
  at::Tensor attention(int layer, at::Tensor const& residual, Wanted const* wanted = nullptr) const;
  /// halfway() with these probabilities in place of the layer's own, be they of another model on the same rows; with `wanted` for
  /// these tokens alone.
  Halfway halfway_with(int layer, at::Tensor const& residual, at::Tensor const& probabilities,
                       Wanted const* wanted = nullptr) const;
  /// The rest of a layer that stopped halfway: residual + what the MLP makes of the projection.
  at::Tensor finish(int layer, Halfway const& half, ProjectionOverride const& change = {}) const;
  /// The same where the projection of the keys is there already, y [tokens, out].
  at::Tensor finish_with(int layer, Halfway const& half, at::Tensor const& projected) const;
  /// Layers first … last, both included. With `seen`, keeps every layer's keys and values (indexed by layer).
  at::Tensor run(int first, int last, at::Tensor residual, std::vector<KeyValue>* seen = nullptr) const;
  /// The same, but the last of them only for the tokens of `wanted`, whose indices in the pack are `tokens` [wanted.tokens].
  at::Tensor run(int first, int last, at::Tensor residual, Layout const& wanted, at::Tensor const& tokens) const;

 private:
  at::Tensor score_mask(Layout const& queries, std::optional<std::int64_t> window) const;
  at::Tensor const& mask_of(int layer) const;
  /// Keys of the past and of this pass, or values: [rows, heads, past + width, head_dim].
  at::Tensor over_heads(at::Tensor const& past, at::Tensor const& own) const;
  /// The queries are those of all tokens of `input`, or of the wanted ones.
  at::Tensor attend(int layer, at::Tensor const& input, at::Tensor const& own_keys, Wanted const* wanted) const;
  Halfway add_attention(int layer, at::Tensor const& residual, at::Tensor const& probabilities, at::Tensor const& own_values,
                        Wanted const* wanted) const;

  CausalLM const& model_;
  Layout layout_;
  std::optional<Past> past_;
  at::Tensor mask_;           ///< [rows, 1, width, past + width]: 0 where a query may look, -inf elsewhere
  at::Tensor windowed_mask_;  ///< the same for layers with a window; each is undefined where no layer needs it
};

/// `offsets[row]` are the offsets of the wanted tokens in that row (negative: from its end), ascending, at least one. The result
/// lies where the layout does; a GPU is waited for twice.
Wanted want(Layout const& layout, std::vector<std::vector<std::int64_t>> const& offsets);

/// Residual streams laid out by row of the past: the keys and values of each row's first `counts[row]` tokens, for layers
/// `first` … (the size of `seen`) - 1.
Past make_past(Layout const& layout, std::vector<KeyValue> const& seen, int first, std::vector<std::int64_t> const& counts);
/// The same of any tokens of a pack: `tokens[row]` are the indices of those that stand at the positions 0, 1, … of a row.
Past make_past(std::vector<KeyValue> const& seen, int first, std::vector<std::vector<std::int64_t>> const& tokens,
               at::Device device);

}  // namespace onemask
