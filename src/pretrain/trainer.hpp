#pragma once

#include "pretrain/body.hpp"
#include "pretrain/optimizer.hpp"
#include "pretrain/row_stream.hpp"
#include <onemask/compute/reducer.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace onemask {

/// A training between two steps.
class PretrainTrainer {
 public:
  struct Losses {
    double objects = 0, others = 0;  ///< sums of -log P
    std::int64_t object_count = 0, other_count = 0;
  };

  /// `model` has its vocabulary. Collective.
  PretrainTrainer(ModelConfig const& model, PretrainStudy const& study, Sequences const& sequences, Communicator const& comm);

  std::int64_t steps_done() const { return steps_; }
  std::int64_t tokens_done() const { return tokens_; }
  std::vector<Weight> const& weights() const { return body_.weights(); }
  at::Tensor const& flat() const { return optimizer_.flat(); }
  TrainingBody const& body() const { return body_; }

  /// One step on all ranks. `stop` says whether this rank was asked to stop; true comes back on every rank when any was.
  bool step(bool stop, Losses& losses);

  /// Weights, the optimiser's state and the step, as bytes; `study` is the hash of what decides them, `seconds` were spent.
  std::string checkpoint(std::string const& study, double seconds) const;
  /// The step of a checkpoint, -1 where the bytes are none.
  static std::int64_t steps_in(std::string const& bytes);
  /// Takes up a checkpoint of the same study and returns its seconds. Throws UserError naming `source` and the reason where it
  /// cannot be, with nothing changed.
  double restore(std::string bytes, std::string const& source, std::string const& study);

 private:
  TrainingOptions options_;
  Communicator comm_;
  TrainingBody body_;
  RowStream stream_;
  Optimizer optimizer_;
  std::unique_ptr<GradientReducer> reducer_;
  at::Tensor sums_;      ///< of a step, [weights + 3] int64: the gradient; both losses, and how many ranks were asked to stop
  at::Tensor gradient_;  ///< [weights] float32
  std::int64_t steps_ = 0, tokens_ = 0;
};

}  // namespace onemask
