#pragma once

#include <onemask/model/cached_rows.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace onemask {

/// A prompt and two objects that may continue it, in tokens.
struct TwoWayPrompt {
  std::vector<std::int64_t> prompt, target_true, target_new;
  std::int64_t subject = -1;  ///< place of the subject's last token in the prompt; -1: it has none
};

/// Edits and a mask of one layer's second projection, as a batch of prompts carries them.
struct EditedProjection {
  at::Tensor left;                              ///< [edits, rank, out]; undefined: no edit
  at::Tensor right;                             ///< [edits, rank, in]
  at::Tensor mask;                              ///< [out, in] in the model's dtype; undefined: no mask
  bool masks_weight = true, masks_edit = true;  ///< as in ProjectionOverride
};

/// A model of a batch of prompts: one that TwoWayBatch::score takes, with a change of its projection.
struct BatchModel {
  EditedProjection change;
  CausalLM const* model = nullptr;  ///< null: the batch's own
};

/// A model whose attention probabilities are another's in all layers above the edited one. Those that are not stay what the model
/// has by itself.
struct PatchedModel {
  std::size_t model, attention;  ///< which of some models it is, and whose attention it takes
  bool last_query = false;       ///< only that of the query at the prompt's last token
  /// Of this only the probability of the subject's last token. The others of its row are multiplied by one number, so that the
  /// row adds up to 1 again. Prompts without a subject keep their own.
  bool subject = false;
};

/// What stands in the place of the edited projection: y [tokens, out], bias included, from keys [tokens, in] and the edit
/// [tokens] that each token's model carries.
using ProjectionProduct = std::function<at::Tensor(at::Tensor const& key, at::Tensor const& edit)>;

/// A batch of prompts, cached below an edited layer, scored under any edits and masks of that layer. Prompts whose objects have
/// one token take one row; a row more for each object of several tokens that needs it.
class TwoWayBatch {
 public:
  /// `edit` names the edit that each prompt's model carries. With `token_accuracy`, scores have the accuracies.
  TwoWayBatch(CausalLM const& model, int layer, std::vector<TwoWayPrompt> const& prompts, std::vector<std::int64_t> const& edit,
              bool token_accuracy = false);

  struct Scores {
    at::Tensor log_probabilities;  ///< [prompts, vocabulary] float32, of the token after the prompt
    at::Tensor lp_true, lp_new;    ///< [prompts] float64 on the CPU: log P of the whole object
    /// [prompts] float64 on the CPU: share of the object's tokens that no other token in their place exceeds, the object's tokens
    /// before them given; not a number where the model's numbers are not. Undefined unless asked for.
    at::Tensor acc_true, acc_new;
  };
  Scores score(EditedProjection const& change) const { return score(change, model_); }
  /// The same under a model that differs from the batch's own in the layers above the edited one, or in that one's projection.
  /// It waits for a GPU once, and once more for token accuracies.
  Scores score(EditedProjection const& change, CausalLM const& model) const;
  /// The same under the batch's own model with another product in the place of the layer's.
  Scores score_with(ProjectionProduct const& product) const;
  /// Scores of some of `models` with the attention of others. All run beside each other, layer by layer. `take` gets the scores
  /// of one after the other. Where all attention is another's, so is that of an object's tokens behind the first.
  void score_patched(std::vector<BatchModel> const& models, std::vector<PatchedModel> const& patched,
                     std::function<void(std::size_t, Scores)> const& take) const;
  /// The gradient of the sum over prompts of log P(new object) - log P(true object) with respect to what the product gives,
  /// [tokens, out]. A token moves the sum through its own prompt alone.
  at::Tensor gradient(ProjectionProduct const& product) const;

  /// Where a prompt lies in the batch.
  struct Span {
    std::int64_t first = 0, prompt = 0;  ///< its tokens are [first, first + prompt)
    std::int64_t tokens = 0;             ///< with its objects', from `first` on
  };
  std::vector<Span> const& spans() const { return spans_; }
  /// What the projection reads, [tokens, in]; lies below any edit.
  at::Tensor const& keys() const { return rows_.half.key; }

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

  /// What the projection of the keys becomes, [tokens, out].
  at::Tensor projected(EditedProjection const& change, CausalLM const& model) const;
  /// Log-probabilities [places, vocabulary], float32, where the projection of the keys is `projected`.
  at::Tensor table(at::Tensor const& projected, CausalLM const& model) const;
  /// The same from the residual stream behind the last layer, [places, hidden].
  at::Tensor distributions(at::Tensor const& residual, CausalLM const& model) const;
  at::Tensor patched_attention(PatchedModel const& patched, std::vector<at::Tensor> const& probabilities,
                               Layout const& queries) const;
  Scores scores_of(at::Tensor const& read) const;
  at::Tensor added(at::Tensor const& values, Terms const& terms) const;
  at::Tensor sum(at::Tensor const& table, Terms const& terms) const;
  at::Tensor accuracy(at::Tensor const& table, at::Tensor const& most, Terms const& terms) const;

  CausalLM const& model_;
  int layer_;
  std::int64_t prompts_;
  bool token_accuracy_;
  CachedRows::Batch rows_;
  Wanted read_;                ///< every place that an object is read at
  at::Tensor edit_;            ///< [tokens] the edit of each token
  at::Tensor next_;            ///< [prompts] the place after each prompt
  at::Tensor last_, subject_;  ///< [rows] positions of the prompt's last token, and of its subject's (-1: none)
  Terms true_, new_;
  std::vector<Span> spans_;                    ///< of each prompt
  std::vector<std::int64_t> prompts_of_true_;  ///< true_.prompt, on the host
};

}  // namespace onemask
