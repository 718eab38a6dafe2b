#pragma once

#include <onemask/data/counterfact.hpp>
#include <onemask/edit/edit.hpp>
#include <onemask/model/two_way.hpp>
#include <onemask/settings/mask_options.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace onemask {

/// An edited fact as mask training needs it.
struct MaskFact {
  std::vector<std::vector<std::int64_t>> prompts;  ///< rewrite prompt, then the paraphrases, in tokens
  std::vector<std::int64_t> target_true, target_new;
  at::Tensor left, right;  ///< factors of its edit, [rank, out] and [rank, in]; undefined where all facts share an edited model
};

/// `edit` lends its factors; one without any stands for a model that all facts share. Throws UserError naming the record when an
/// object tokenizes to nothing, or a prompt with the longer object takes more than `positions` (see positions_of).
MaskFact make_mask_fact(Tokenizer const& tokenizer, Fact const& fact, Edit const& edit, bool leading_space,
                        std::int64_t positions);

/// Everything about the training and validation facts that no mask changes: computed once, shared by all seeds and epochs.
class TrainingSet {
 public:
  /// Facts in the study's order, each with an edit of its own at `layer`. Throws UserError when there is
  /// none to train on.
  TrainingSet(CausalLM const& model, int layer, std::vector<MaskFact> const& training, std::vector<MaskFact> const& validation);
  /// Facts that are all written into `edited`; the mask goes over `layers` of it, ascending. What it shall restore is `original`.
  TrainingSet(CausalLM const& original, CausalLM const& edited, std::vector<int> layers, std::vector<MaskFact> const& training,
              std::vector<MaskFact> const& validation);

  /// The model that is masked: all facts' edited one, or the original where every fact brings its own edit.
  CausalLM const& model() const { return model_; }
  std::vector<int> const& layers() const { return layers_; }
  /// Shape of the mask: the masked matrices [out, in] below each other.
  std::vector<std::int64_t> mask_shape() const;
  /// model() with the parts of a mask [layers * out, in] that belong to the layers above the lowest one; that one's part goes
  /// into the pass.
  std::unique_ptr<CausalLM> masked_above(at::Tensor const& mask) const;
  std::size_t size() const { return facts_.size(); }

  /// Some of the facts, ready for the layers above the mask.
  struct MicroBatch {
    CachedRows::Batch rows;
    Wanted last;             ///< each prompt's last token
    at::Tensor edit;         ///< [tokens] index into left and right
    at::Tensor left, right;  ///< [facts, rank, out], [facts, rank, in]; undefined without edits of their own
    at::Tensor reference;    ///< [prompts, hidden] normalised hidden state of the original model
    at::Tensor objects;      ///< [prompts, 2] first tokens of the true and the new object
    at::Tensor weight;       ///< [prompts] float32, 1 / prompts of the fact: the mean over a fact's prompts
  };
  MicroBatch micro_batch(std::span<std::size_t const> facts) const;

  /// The validation facts' rewrite prompts, in batches that are cut once and for all.
  struct Validation {
    TwoWayBatch prompts;
    at::Tensor left, right;
  };
  std::vector<Validation> const& validation() const { return validation_; }
  std::int64_t validation_size() const { return validation_size_; }

 private:
  struct Entry {
    std::vector<std::int64_t> rows;                      ///< in the cache
    at::Tensor left, right, reference, objects, weight;  ///< as in a micro-batch
  };

  CausalLM const& model_;
  std::vector<int> layers_;
  CachedRows cache_;
  std::vector<Entry> facts_;
  std::vector<Validation> validation_;
  std::int64_t validation_size_;
};

}  // namespace onemask
