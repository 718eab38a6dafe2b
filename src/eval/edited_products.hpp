#pragma once

#include <onemask/eval/metrics.hpp>
#include <onemask/model/two_way.hpp>

#include <cstdint>
#include <functional>
#include <vector>

namespace onemask {

/// A fact of a batch that is edited.
struct EditedFact {
  std::int64_t case_id = 0;
  std::size_t rewrite = 0;  ///< its rewrite prompt in the batch
};

/// What the edited layer's projection becomes for the facts of a batch, each with its own edit, under baselines of scope fact.
/// Whole lines are two vectors, the change of a layer a few more; where single entries of W' are pruned, the matrix of one fact
/// is formed at a time.
class EditedProducts {
 public:
  /// left [edits, rank, out], right [edits, rank, in] on the model's device, in the order of the facts. All must outlive this.
  EditedProducts(CausalLM const& model, int layer, TwoWayBatch const& batch, at::Tensor left, at::Tensor right,
                 std::vector<EditedFact> const& facts)
      : model_(model), layer_(layer), batch_(batch), left_(std::move(left)), right_(std::move(right)), facts_(facts) {}

  /// For the batch, and for others whose tokens have the order of the edits.
  ProjectionProduct under(FactBaseline const& baseline);

 private:
  using PerEdit = std::function<at::Tensor(std::size_t edit, at::Tensor const& key)>;  // [tokens, in] -> [tokens, out]

  at::Tensor edited(at::Tensor const& key, at::Tensor const& edit, at::Tensor const& left, at::Tensor const& right) const;
  at::Tensor matrix(std::size_t edit) const;
  at::Tensor line_scores(BaselineScore score) const;
  at::Tensor entry_mask(FactBaseline const& baseline, std::size_t edit, at::Tensor const& own);
  ProjectionProduct by_edit(PerEdit const& product) const;
  at::Tensor components(LayerSpectrum const& spectrum);
  ProjectionProduct without_components(FactBaseline const& baseline);
  ProjectionProduct lines(FactBaseline const& baseline, bool rows) const;
  ProjectionProduct without_largest_changes(FactBaseline const& baseline) const;
  ProjectionProduct entries(FactBaseline const& baseline);

  CausalLM const& model_;
  int layer_;
  TwoWayBatch const& batch_;
  at::Tensor left_, right_;
  std::vector<EditedFact> const& facts_;
  // Made when they are asked for:
  at::Tensor gradient_;    ///< as TwoWayBatch::gradient has it
  at::Tensor components_;  ///< leading left singular vectors of the edited matrices, [edits, out, up to most_components]
};

}  // namespace onemask
