#pragma once

#include <onemask/compute/reducer.hpp>
#include <onemask/mask/shared_mask.hpp>
#include <onemask/mask/training_set.hpp>
#include <onemask/settings/mask_options.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace onemask {

/// The part of each step's micro-batches that one rank of a group works on: those with index % ranks == rank.
struct WorkShare {
  int rank = 0, ranks = 1;
};

/// The order of the training facts in an epoch.
using BatchOrder = std::function<std::vector<std::size_t>(int epoch)>;

/// A random order for each epoch, from the seed alone.
BatchOrder shuffled(std::uint64_t seed, std::size_t facts);

/// Initial theta [out, in] ~ N(init_mean, init_deviation), from the seed alone.
at::Tensor initial_theta(MaskOptions const& options, at::IntArrayRef shape, std::uint64_t seed);

/// Trains one shared mask (arXiv 2605.28839, section 3) on constants that are computed once, data-parallel over a group of ranks.
/// Micro-batches are cut by the study, their gradients are rounded to 64-bit fixed point and added as integers, so every number
/// of ranks, and a training resumed from any epoch, gives the same bits.
class MaskTrainer {
 public:
  /// `reducer` adds up over the group; all its ranks call `run_epoch` together.
  MaskTrainer(TrainingSet const& facts, MaskOptions options, at::Tensor theta, BatchOrder order, WorkShare share,
              GradientReducer& reducer);

  int next_epoch() const { return static_cast<int>(mask_epochs_.size()); }
  bool done() const { return next_epoch() >= options_.epochs; }
  /// Waits for a GPU 3 times a micro-batch, 3 times a step, once an epoch, and once for every 32 validation facts and once
  /// more to add them up.
  void run_epoch();

  /// The gradient of theta [out, in] for one batch, before clipping; `restoration` and `distillation` of `means` get their means.
  at::Tensor gradient(std::span<std::size_t const> batch, int epoch, MaskEpoch& means);

  /// The mask as it stands: M of the last step.
  SharedMask mask(std::uint64_t seed) const;
  at::Tensor const& theta() const { return theta_; }

  /// All that the next epoch needs, as a safetensors file; `restore` continues to the same bits. Throws UserError naming `source`
  /// when the bytes are not a checkpoint of a training like this one. `made_by` goes into its metadata.
  std::string checkpoint(std::string const& made_by = {}) const;
  void restore(std::string bytes, std::string const& source);

 private:
  at::Tensor soft_mask(int epoch) const;
  void update(at::Tensor gradient);
  double validate();

  TrainingSet const& facts_;
  MaskOptions options_;
  BatchOrder order_;
  WorkShare share_;
  GradientReducer& reducer_;
  at::Tensor theta_, mean_, square_;  ///< [out, in] float32: theta and Adam's moments
  at::Tensor soft_;                   ///< M of the last step
  std::int64_t steps_ = 0;
  std::vector<MaskEpoch> mask_epochs_;
};

}  // namespace onemask
