#pragma once

#include "pretrain/body.hpp"
#include <onemask/comm/communicator.hpp>
#include <onemask/pretrain/recall.hpp>

#include <string>
#include <vector>

namespace onemask {

/// Some questions of the recall sets, asked now and then while a model is in training.
class RecallSample {
 public:
  /// At most `count` of all sets' prompts of a kind, evenly spread.
  RecallSample(std::vector<std::vector<RecallPrompt>> const& sets, std::string const& kind, std::size_t count,
               std::int64_t row_tokens);

  /// Per cent of them that the model continues rightly. The ranks share out the prompts. Collective.
  double ask(TrainingBody const& body, Communicator const& comm) const;
  std::int64_t size() const { return size_; }

 private:
  std::vector<PackedRows> batches_;
  std::int64_t size_ = 0;
};

}  // namespace onemask
