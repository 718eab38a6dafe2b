#include "pretrain/sample.hpp"

#include <onemask/comm/agree.hpp>

#include <ATen/ATen.h>

namespace onemask {

namespace {

constexpr std::int64_t rows_at_once = 4;

}  // namespace

RecallSample::RecallSample(std::vector<std::vector<RecallPrompt>> const& sets, std::string const& kind, std::size_t count,
                           std::int64_t row_tokens) {
  std::vector<RecallPrompt const*> all;
  for (auto const& set : sets) {
    for (auto const& prompt : set) {
      if (prompt.kind == kind && std::ssize(prompt.ids) <= row_tokens) all.push_back(&prompt);
    }
  }
  auto const wanted = std::min(count, all.size());
  for (std::size_t i = 0; i < wanted; ++i) {
    auto const& prompt = *all[i * all.size() / wanted];
    auto place = batches_.empty() ? -1 : batches_.back().add(prompt.ids);
    if (place < 0) place = batches_.emplace_back(rows_at_once, row_tokens).add(prompt.ids);
    batches_.back().predictions.push_back({place + std::ssize(prompt.ids) - 1, prompt.object, 1, true});
  }
  size_ = static_cast<std::int64_t>(wanted);
}

double RecallSample::ask(TrainingBody const& body, Communicator const& comm) const {
  if (size_ == 0) return 0;
  std::int64_t right = 0;
  agree(comm, [&] {
    auto const ranks = static_cast<std::size_t>(comm.size());
    for (auto i = static_cast<std::size_t>(comm.rank()); i < batches_.size(); i += ranks) {
      auto const best = body.logits(batches_[i]).argmax(1);
      for (std::size_t p = 0; p < batches_[i].predictions.size(); ++p) {
        right += best.const_data_ptr<std::int64_t>()[p] == batches_[i].predictions[p].token;
      }
    }
  });
  return 100.0 * static_cast<double>(comm.all_reduce_sum(right)) / static_cast<double>(size_);
}

}  // namespace onemask
