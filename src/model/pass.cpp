#include <onemask/core/invariant.hpp>
#include <onemask/model/layers.hpp>
#include <onemask/model/pass.hpp>

#include <algorithm>
#include <limits>
#include <numeric>

namespace onemask {
namespace {

/// [tokens, heads, head_dim] -> [rows, heads, width, head_dim]
at::Tensor spread(at::Tensor const& packed, Layout const& layout) {
  return packed.index_select(0, layout.pad).view({layout.rows(), layout.width, packed.size(1), packed.size(2)}).transpose(1, 2);
}

}  // namespace

at::Tensor project(Projection const& projection, at::Tensor const& key, ProjectionOverride const& change) {
  bool const masks_weight = change.mask.defined() && change.masks_weight, masks_edit = change.mask.defined() && change.masks_edit;
  auto const weight = masks_weight ? projection.weight * change.mask : projection.weight;
  auto result = at::linear(key, weight, projection.bias);
  if (!change.left.defined()) return result;
  for (std::int64_t k = 0; k < change.left.size(1); ++k) {
    auto const left = change.left.select(1, k).to(key.scalar_type()).index_select(0, change.edit);
    auto const right = change.right.select(1, k).to(key.scalar_type()).index_select(0, change.edit);
    auto const scaled = right * key;
    result = result + left * (masks_edit ? at::linear(scaled, change.mask) : scaled.sum(1, true));
  }
  return result;
}

Pass::Pass(CausalLM const& model, Layout layout, std::optional<Past> past)
    : model_(model), layout_(std::move(layout)), past_(std::move(past)) {
  auto const& config = model_.config();
  if (!config.sliding_window || !config.windowed.empty()) mask_ = score_mask(layout_, std::nullopt);
  if (config.sliding_window) windowed_mask_ = score_mask(layout_, config.sliding_window);
}

at::Tensor Pass::score_mask(Layout const& queries, std::optional<std::int64_t> window) const {
  auto key_positions = layout_.padded_positions;
  if (past_) key_positions = at::cat({past_->positions, key_positions}, 1);
  auto const query_positions = queries.padded_positions.clamp_min(0).unsqueeze(2);
  auto const keys = key_positions.unsqueeze(1);
  auto allowed = keys.ge(0).logical_and(keys.le(query_positions));
  if (window) allowed = allowed.logical_and(keys.gt(query_positions - *window));
  // A place past a row's end has no valid key of its own position; it may look at the row's first key, and nobody reads it.
  auto const mask = at::zeros(allowed.sizes(), at::TensorOptions().dtype(model_.dtype()).device(model_.device()));
  return mask.masked_fill(allowed.logical_not(), -std::numeric_limits<float>::infinity()).unsqueeze(1);
}

at::Tensor const& Pass::mask_of(int layer) const {
  return model_.config().has_window(layer) ? windowed_mask_ : mask_;
}

at::Tensor Pass::over_heads(at::Tensor const& past, at::Tensor const& own) const {
  auto all = spread(own, layout_);
  if (past.defined()) all = at::cat({past, all}, 2);
  auto const groups = model_.config().heads / all.size(1);
  return groups > 1 ? all.repeat_interleave(groups, 1) : all;
}

at::Tensor Pass::attend(int layer, at::Tensor const& input, at::Tensor const& own_keys, Wanted const* wanted) const {
  auto const& config = model_.config();
  auto const& of_queries = wanted != nullptr ? wanted->layout : layout_;
  auto const queries =
      model_.queries(layer, wanted != nullptr ? input.index_select(0, wanted->tokens) : input, of_queries.positions);
  auto scores =
      at::matmul(spread(queries, of_queries), over_heads(past_ ? past_->keys[layer] : at::Tensor(), own_keys).transpose(2, 3));
  if (auto const cap = config.score_cap) scores = soft_cap(scores, *cap);
  auto const mask = wanted != nullptr ? score_mask(of_queries, config.has_window(layer) ? config.sliding_window : std::nullopt)
                                      : mask_of(layer);
  return at::softmax(scores + mask, -1);
}

Halfway Pass::add_attention(int layer, at::Tensor const& residual, at::Tensor const& probabilities, at::Tensor const& own_values,
                            Wanted const* wanted) const {
  auto const& of_queries = wanted != nullptr ? wanted->layout : layout_;
  auto const values = over_heads(past_ ? past_->values[layer] : at::Tensor(), own_values);
  invariant(probabilities.size(0) == values.size(0) && probabilities.size(1) == values.size(1) &&
                probabilities.size(2) == of_queries.width && probabilities.size(3) == values.size(2),
            "layer ", layer, " gets ", probabilities.numel(), " attention probabilities for ", values.size(0), " rows of ",
            of_queries.width, " queries and ", values.size(2), " keys in ", values.size(1), " heads");
  auto const context = at::matmul(probabilities, values)
                           .transpose(1, 2)
                           .reshape({-1, values.size(1) * values.size(3)})
                           .index_select(0, of_queries.unpad);
  auto const before = wanted != nullptr ? residual.index_select(0, wanted->tokens) : residual;
  auto const added = model_.attention_output(layer, context);
  auto const after = before + added;
  return {after, model_.mlp_key(layer, before, after), added};
}

Halfway Pass::halfway(int layer, at::Tensor const& residual, KeyValue* seen, at::Tensor* probabilities) const {
  auto const input = model_.attention_input(layer, residual);
  auto const own = model_.keys_values(layer, input, layout_.positions);
  if (seen != nullptr) *seen = own;
  auto const attended = attend(layer, input, own.key, nullptr);
  if (probabilities != nullptr) *probabilities = attended;
  return add_attention(layer, residual, attended, own.value, nullptr);
}

at::Tensor Pass::attention(int layer, at::Tensor const& residual, Wanted const* wanted) const {
  auto const input = model_.attention_input(layer, residual);
  return attend(layer, input, model_.keys_values(layer, input, layout_.positions).key, wanted);
}

Halfway Pass::halfway_with(int layer, at::Tensor const& residual, at::Tensor const& probabilities, Wanted const* wanted) const {
  auto const own = model_.keys_values(layer, model_.attention_input(layer, residual), layout_.positions);
  return add_attention(layer, residual, probabilities, own.value, wanted);
}

at::Tensor Pass::finish(int layer, Halfway const& half, ProjectionOverride const& change) const {
  return finish_with(layer, half, project(model_.projection(layer), half.key, change));
}

at::Tensor Pass::finish_with(int layer, Halfway const& half, at::Tensor const& projected) const {
  return half.residual + model_.mlp_output(layer, projected);
}

at::Tensor Pass::run(int first, int last, at::Tensor residual, std::vector<KeyValue>* seen) const {
  for (int layer = first; layer <= last; ++layer) {
    if (seen != nullptr) seen->resize(static_cast<std::size_t>(layer) + 1);
    residual = finish(layer, halfway(layer, residual, seen != nullptr ? &seen->back() : nullptr));
  }
  return residual;
}

at::Tensor Pass::run(int first, int last, at::Tensor residual, Layout const& wanted, at::Tensor const& tokens) const {
  if (first > last) return residual.index_select(0, tokens);
  residual = run(first, last - 1, std::move(residual));
  Wanted const of_last{wanted, tokens};
  auto const input = model_.attention_input(last, residual);
  auto const own = model_.keys_values(last, input, layout_.positions);
  return finish(last, add_attention(last, residual, attend(last, input, own.key, &of_last), own.value, &of_last));
}

Wanted want(Layout const& layout, std::vector<std::vector<std::int64_t>> const& offsets) {
  invariant(offsets.size() == layout.counts.size(), "tokens are wanted of ", offsets.size(), " rows, but a pack has ",
            layout.counts.size());
  auto const positions = layout.padded_positions.to(at::kCPU);
  auto const places = positions.accessor<std::int64_t, 2>();
  std::vector<std::vector<std::int64_t>> wanted(offsets.size());
  std::vector<std::int64_t> tokens;
  std::int64_t begin = 0;
  for (std::size_t row = 0; row < offsets.size(); ++row) {
    for (auto offset : offsets[row]) {
      auto const place = offset < 0 ? layout.counts[row] + offset : offset;
      wanted[row].push_back(places[static_cast<std::int64_t>(row)][place]);
      tokens.push_back(begin + place);
    }
    begin += layout.counts[row];
  }
  Wanted result{make_layout(wanted, at::kCPU), index_tensor(tokens, at::kCPU)};
  IndexMove().add(result.layout).add(result.tokens).to(layout.positions.device());
  return result;
}

Past make_past(Layout const& layout, std::vector<KeyValue> const& seen, int first, std::vector<std::int64_t> const& counts) {
  std::vector<std::vector<std::int64_t>> tokens;
  std::int64_t begin = 0;
  for (std::size_t row = 0; row < counts.size(); ++row) {
    tokens.emplace_back(static_cast<std::size_t>(counts[row]));
    std::iota(tokens.back().begin(), tokens.back().end(), begin);
    begin += layout.counts[row];
  }
  return make_past(seen, first, tokens, layout.positions.device());
}

Past make_past(std::vector<KeyValue> const& seen, int first, std::vector<std::vector<std::int64_t>> const& tokens,
               at::Device device) {
  std::size_t longest = 1;
  for (auto const& row : tokens) longest = std::max(longest, row.size());
  std::vector<std::int64_t> places, positions;
  for (auto const& row : tokens) {
    for (std::size_t place = 0; place < longest; ++place) {
      bool const present = place < row.size();
      places.push_back(present ? row[place] : row.empty() ? 0 : row.front());
      positions.push_back(present ? static_cast<std::int64_t>(place) : -1);
    }
  }
  auto const rows = std::ssize(tokens), width = static_cast<std::int64_t>(longest);
  auto index = index_tensor(places, at::kCPU);
  Past past{std::vector<at::Tensor>(seen.size()), std::vector<at::Tensor>(seen.size()),
            index_tensor(positions, at::kCPU).view({rows, width})};
  IndexMove().add(index).add(past.positions).to(device);
  for (auto layer = static_cast<std::size_t>(first); layer < seen.size(); ++layer) {
    auto const arrange = [&](at::Tensor const& packed) {
      return packed.index_select(0, index).view({rows, width, packed.size(1), packed.size(2)}).transpose(1, 2).contiguous();
    };
    past.keys[layer] = arrange(seen[layer].key);
    past.values[layer] = arrange(seen[layer].value);
  }
  return past;
}

}  // namespace onemask
