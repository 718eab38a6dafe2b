#include <onemask/core/invariant.hpp>
#include <onemask/model/greedy_batch.hpp>

#include <c10/core/GradMode.h>

namespace onemask {
namespace {

/// [rows] ids of the likeliest tokens.
at::Tensor likeliest(CausalLM const& model, at::Tensor const& residual) {
  return model.logits(model.final_norm(residual)).argmax(1);
}

/// Adds the keys and values of one more position of every row.
void append(Past& past, std::vector<KeyValue> const& seen, Layout const& layout) {
  for (std::size_t layer = 0; layer < seen.size(); ++layer) {
    past.keys[layer] = at::cat({past.keys[layer], seen[layer].key.unsqueeze(2)}, 2);
    past.values[layer] = at::cat({past.values[layer], seen[layer].value.unsqueeze(2)}, 2);
  }
  past.positions = at::cat({past.positions, layout.padded_positions}, 1);
}

}  // namespace

GreedyBatch::GreedyBatch(CausalLM const& model, int layer, std::vector<std::vector<std::int64_t>> const& prompts,
                         std::vector<std::int64_t> const& edit)
    : layer_(layer) {
  c10::NoGradGuard const no_gradients;
  invariant(!prompts.empty() && edit.size() == prompts.size(), "of ", prompts.size(), " prompts, ", edit.size(), " have an edit");
  auto packed = pack_rows(prompts, model.device());
  std::vector<std::int64_t> last;
  for (auto const count : packed.layout.counts) last.push_back((last.empty() ? -1 : last.back()) + count);
  edit_ = index_tensor(edit, at::kCPU), last_ = index_tensor(last, at::kCPU);
  IndexMove().add(edit_).add(last_).to(model.device());
  Pass const pass(model, packed.layout);
  auto const residual = pass.run(0, layer - 1, pass.embed(packed.ids), &below_);
  KeyValue own;
  half_ = pass.halfway(layer, residual, &own);
  below_.push_back(own);
  layout_ = std::move(packed.layout);
}

std::vector<std::vector<std::int64_t>> GreedyBatch::continued(std::int64_t count, ProjectionProduct const& product,
                                                              CausalLM const& model) const {
  c10::NoGradGuard const no_gradients;
  auto const top = static_cast<int>(model.config().layers) - 1;
  auto seen = below_;
  Pass const pass(model, layout_);
  auto residual = pass.finish_with(layer_, half_, product(half_.key, edit_.index_select(0, layout_.row)));
  residual = pass.run(layer_ + 1, top, residual, &seen);
  std::vector<at::Tensor> tokens{likeliest(model, residual.index_select(0, last_))};
  auto past = make_past(layout_, seen, 0, layout_.counts);
  for (std::int64_t k = 1; k < count; ++k) {
    std::vector<std::vector<std::int64_t>> positions;
    for (auto const length : layout_.counts) positions.push_back({length + k - 1});
    Pass const step(model, make_layout(positions, model.device()), past);
    seen.clear();
    residual = step.run(0, layer_ - 1, step.embed(tokens.back()), &seen);
    KeyValue own;
    auto const half = step.halfway(layer_, residual, &own);
    seen.push_back(own);
    residual = step.run(layer_ + 1, top, step.finish_with(layer_, half, product(half.key, edit_)), &seen);
    append(past, seen, step.layout());
    tokens.push_back(likeliest(model, residual));
  }
  auto const table = at::stack(tokens, 1).to(at::kCPU).contiguous();  // [rows, count]
  std::vector<std::vector<std::int64_t>> rows;
  for (std::int64_t row = 0; row < table.size(0); ++row) {
    auto const* const begin = table.data_ptr<std::int64_t>() + row * count;
    rows.emplace_back(begin, begin + count);
  }
  return rows;
}

}  // namespace onemask
