#include <onemask/analysis/pass_recorder.hpp>
#include <onemask/core/invariant.hpp>

#include <algorithm>
#include <utility>

#include <c10/core/GradMode.h>

namespace onemask {

PassRecorder::PassRecorder(CausalLM const& model, std::vector<SubjectPrompt> const& prompts, std::vector<int> layers,
                           bool everywhere)
    : model_(model), layers_(std::move(layers)), everywhere_(everywhere) {
  c10::NoGradGuard const no_gradients;
  invariant(!prompts.empty() && !layers_.empty(), prompts.size(), " prompts are recorded in models with ", layers_.size(),
            " edited layers");
  std::vector<std::vector<std::int64_t>> rows;
  std::vector<std::int64_t> read, read_padded, objects, published, first, last;
  std::int64_t begin = 0, width = 0;
  for (auto const& prompt : prompts) width = std::max(width, std::ssize(prompt.ids));
  for (auto const& prompt : prompts) {
    for (auto const place : {std::ssize(prompt.ids) - 1, static_cast<std::ptrdiff_t>(prompt.subject_last)}) {
      read.push_back(begin + place);
      read_padded.push_back(std::ssize(rows) * width + place);
      objects.insert(objects.end(), prompt.objects.begin(), prompt.objects.end());
      published.insert(published.end(), prompt.published_objects.begin(), prompt.published_objects.end());
    }
    first.push_back(prompt.subject_first);
    last.push_back(prompt.subject_last);
    rows.push_back(prompt.ids);
    begin += std::ssize(prompt.ids);
  }
  auto packed = pack_rows(rows, at::kCPU);
  IndexMove move;
  move.add(packed);
  auto const take = [&](std::vector<std::int64_t> const& numbers, at::Tensor& tensor) {
    tensor = index_tensor(numbers, at::kCPU);
    move.add(tensor);
  };
  take(read, read_);
  take(read_padded, read_padded_);
  take(objects, objects_);
  take(published, published_);
  take(first, first_);
  take(last, last_);
  move.to(model.device());
  objects_ = objects_.view({-1, 2});
  published_ = published_.view({-1, 2});
  layout_ = std::move(packed.layout);
  Pass const pass(model, layout_);
  auto residual = pass.embed(packed.ids);
  for (int layer = 0; layer < layers_.front(); ++layer) residual = pass.finish(layer, halfway(pass, layer, residual, below_));
  half_ = halfway(pass, layers_.front(), residual, below_);
}

bool PassRecorder::is_edited(int layer) const {
  return std::binary_search(layers_.begin(), layers_.end(), layer);
}

void PassRecorder::keep_residual(at::Tensor const& residual, PassRecord& record) const {
  record.residual.push_back(residual.index_select(0, read_));
  if (everywhere_) record.everywhere.push_back(residual);
}

Halfway PassRecorder::halfway(Pass const& pass, int layer, at::Tensor const& residual, PassRecord& record) const {
  KeyValue own;
  at::Tensor probabilities;
  auto half = pass.halfway(layer, residual, &own, &probabilities);
  keep_residual(residual, record);
  record.after_attention.push_back(half.residual.index_select(0, read_));
  auto const rows = prompts(), width = layout_.width, heads = probabilities.size(1);
  record.attention.push_back(probabilities.transpose(1, 2)
                                 .reshape({rows * width, heads, width})
                                 .index_select(0, read_padded_)
                                 .view({rows, 2, heads, width}));
  auto const& value = own.value;
  record.values.push_back(
      value.index_select(0, layout_.pad).view({rows, width, value.size(1), value.size(2)}).transpose(1, 2).contiguous());
  if (is_edited(layer)) record.keys.push_back(half.key.index_select(0, read_));
  return half;
}

ProjectionOverride PassRecorder::override_at(EditedProjection const& change, at::Tensor const& tokens) const {
  auto const edit = change.left.defined() ? layout_.row.index_select(0, tokens) : at::Tensor();
  return {change.left, change.right, edit, change.mask, change.masks_weight, change.masks_edit};
}

PassRecord PassRecorder::record(RecordedModel const& recorded) const {
  c10::NoGradGuard const no_gradients;
  auto const& [model, change] = recorded;
  Pass const pass(model, layout_);
  auto record = below_;
  auto const first = layers_.front();
  auto residual =
      pass.finish(first, half_, {change.left, change.right, layout_.row, change.mask, change.masks_weight, change.masks_edit});
  for (int layer = first + 1; layer < model.config().layers; ++layer)
    residual = pass.finish(layer, halfway(pass, layer, residual, record));
  keep_residual(residual, record);
  auto const layers = static_cast<std::size_t>(model.config().layers);
  invariant(record.residual.size() == layers + 1 && record.attention.size() == layers && record.keys.size() == layers_.size(),
            "of ", layers, " layers, ", record.residual.size(), " are recorded");
  return record;
}

}  // namespace onemask
