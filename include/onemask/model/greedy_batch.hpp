#pragma once

#include <onemask/model/pass.hpp>
#include <onemask/model/two_way.hpp>

#include <cstdint>
#include <vector>

namespace onemask {

/// Prompts that models continue with their likeliest tokens. What lies below an edited layer's second projection is run once for
/// all models; then each token costs a pass over one position of every prompt, with the keys and values of those before it.
class GreedyBatch {
 public:
  /// `edit` names the edit that each prompt's model carries.
  GreedyBatch(CausalLM const& model, int layer, std::vector<std::vector<std::int64_t>> const& prompts,
              std::vector<std::int64_t> const& edit);

  /// The next `count` tokens behind each prompt (at least 1), under a model that is the batch's own below the layer's projection;
  /// `product` stands in the place of that one. Of equally likely tokens the first. It waits for a GPU once besides what the
  /// layouts of single positions need.
  std::vector<std::vector<std::int64_t>> continued(std::int64_t count, ProjectionProduct const& product,
                                                   CausalLM const& model) const;

 private:
  int layer_;
  Layout layout_;
  Halfway half_;                 ///< all tokens of the prompts
  std::vector<KeyValue> below_;  ///< by layer, up to `layer_`
  at::Tensor edit_, last_;       ///< [rows] int64: the edit of each prompt, its last token's index in the pack
};

}  // namespace onemask
