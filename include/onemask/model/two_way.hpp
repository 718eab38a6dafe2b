#pragma once

#include <onemask/model/cached_rows.hpp>

#include <cstdint>
#include <vector>

namespace onemask {

/// A prompt and two objects that may continue it, in tokens.
struct TwoWayPrompt {
  std::vector<std::int64_t> prompt, target_true, target_new;
};

/// Edits and a mask of one layer's second projection, as a batch of prompts carries them.
struct EditedProjection {
  at::Tensor left;   ///< [edits, rank, out]; undefined: no edit
  at::Tensor right;  ///< [edits, rank, in]
  at::Tensor mask;   ///< [out, in] in the model's dtype; undefined: no mask
};

/// A batch of prompts, cached below an edited layer, scored under any edits and masks of that layer. Prompts whose objects have
/// one token take one row; a row more for each object of several tokens that needs it.
class TwoWayBatch {
 public:
  /// `edit` names the edit that each prompt's model carries.
  TwoWayBatch(CausalLM const& model, int layer, std::vector<TwoWayPrompt> const& prompts, std::vector<std::int64_t> const& edit);

  struct Scores {
    at::Tensor log_probabilities;  ///< [prompts, vocabulary] float32, of the token after the prompt
    at::Tensor lp_true, lp_new;    ///< [prompts] float64 on the CPU: log P of the whole object
  };
  Scores score(EditedProjection const& change) const { return score(change, model_); }
  /// The same under a model that differs from the batch's own in the layers above the edited one, or in that one's projection.
  /// It waits for a GPU once.
  Scores score(EditedProjection const& change, CausalLM const& model) const;

  /// By how much the batch's own model prefers the true objects, in nats. [prompts] float64 on the CPU; not a number where the
  /// model's numbers are not.
  struct Margins {
    at::Tensor two_way;  ///< log P(true object) - log P(new object)
    at::Tensor top1;     ///< the least of all tokens of the true object: log P(token) - log P(likeliest other token in its place)
  };
  Margins margins() const;

 private:
  /// A token whose log-probability is part of an object's: read at a place, summed into a prompt.
  struct Terms {
    at::Tensor place, token, prompt;  ///< int64, on the model's device
  };

  /// Log-probabilities [places, vocabulary], float32.
  at::Tensor table(EditedProjection const& change, CausalLM const& model) const;
  at::Tensor sum(at::Tensor const& table, Terms const& terms) const;

  CausalLM const& model_;
  int layer_;
  std::int64_t prompts_;
  CachedRows::Batch rows_;
  Wanted read_;      ///< every place that an object is read at
  at::Tensor edit_;  ///< [tokens] the edit of each token
  at::Tensor next_;  ///< [prompts] the place after each prompt
  Terms true_, new_;
  std::vector<std::int64_t> prompts_of_true_;  ///< true_.prompt, on the host
};

}  // namespace onemask
