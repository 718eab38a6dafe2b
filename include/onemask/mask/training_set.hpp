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

/// A model to mask, and the facts that are trained and tried in it.
struct MaskedModel {
  CausalLM const* model;  ///< the edited one; the original where every fact brings its own edit
  std::vector<MaskFact> training, validation = {};
};

/// Everything about the training and validation facts that no mask changes: computed once, shared by all seeds and epochs. Facts
/// are numbered model after model.
class TrainingSet {
 public:
  /// Facts in the study's order, each with an edit of its own at `layer`. Throws UserError when there is
  /// none to train on.
  TrainingSet(CausalLM const& model, int layer, std::vector<MaskFact> const& training, std::vector<MaskFact> const& validation);
  /// Facts that are written into edited models; the mask goes over `layers` of each, ascending. What it shall restore is
  /// `original`.
  TrainingSet(CausalLM const& original, std::vector<int> layers, std::vector<MaskedModel> const& models);

  CausalLM const& original() const { return original_; }
  std::vector<int> const& layers() const { return layers_; }
  /// Shape of the mask: the masked matrices [out, in] below each other.
  std::vector<std::int64_t> mask_shape() const;
  /// A model with the parts of a mask [layers * out, in] that belong to the layers above the lowest one; that one's part goes
  /// into the pass.
  std::unique_ptr<CausalLM> masked_above(at::Tensor const& mask, std::size_t model) const;
  std::size_t size() const { return facts_.size(); }
  /// Whether every fact brings its own edit.
  bool has_own_edits() const { return facts_.front().left.defined(); }

  /// The facts of a step cut into parts of at most `most`, each of one model: by model, else in the given order.
  std::vector<std::vector<std::size_t>> parts_of(std::span<std::size_t const> facts, std::size_t most) const;

  /// Some of the facts of one model, ready for the layers above the mask.
  struct MicroBatch {
    std::size_t model;
    CachedRows::Batch rows;
    Wanted last;             ///< each prompt's last token
    at::Tensor edit;         ///< [tokens] index into left and right
    at::Tensor left, right;  ///< [facts, rank, out], [facts, rank, in]; undefined without edits of their own
    at::Tensor reference;    ///< [prompts, hidden] normalised hidden state of the original model
    at::Tensor objects;      ///< [prompts, 2] first tokens of the true and the new object
    at::Tensor weight;       ///< [prompts] float32, 1 / prompts of the fact: the mean over a fact's prompts
  };
  MicroBatch micro_batch(std::span<std::size_t const> facts) const;

  /// The validation facts' rewrite prompts, model after model, in batches that are cut once and for all.
  struct Validation {
    std::size_t model;
    TwoWayBatch prompts;
    at::Tensor left, right;
  };
  std::vector<Validation> const& validation() const { return validation_; }
  std::int64_t validation_size() const { return validation_size_; }

 private:
  struct Cached {
    CausalLM const* model;
    CachedRows rows;
  };
  struct Entry {
    std::size_t model;
    std::vector<std::int64_t> rows;                      ///< in the cache of the model
    at::Tensor left, right, reference, objects, weight;  ///< as in a micro-batch
  };

  void add(std::size_t model, std::vector<MaskFact> const& training);
  void add_validation(std::size_t model, std::vector<MaskFact> const& validation);

  CausalLM const& original_;
  std::vector<int> layers_;
  std::vector<Cached> models_;
  std::vector<Entry> facts_;
  std::vector<Validation> validation_;
  std::int64_t validation_size_ = 0;
};

}  // namespace onemask
