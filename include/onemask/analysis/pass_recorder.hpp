#pragma once

#include <onemask/analysis/subject_prompt.hpp>
#include <onemask/model/pass.hpp>
#include <onemask/model/two_way.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

#include <ATen/ATen.h>

namespace onemask {

/// What a pass over some prompts leaves. `read` places are two of each prompt: its last token, and its subject's last token;
/// [read] is [2 * prompts], prompt by prompt.
struct PassRecord {
  std::vector<at::Tensor> residual;         ///< before layer 0, after layer 0, …, after the last, [read, hidden]
  std::vector<at::Tensor> after_attention;  ///< of each layer, before its MLP is added, [read, hidden]
  std::vector<at::Tensor> attention;        ///< of each layer, [prompts, 2, heads, width]: probabilities of the read places
  std::vector<at::Tensor> values;           ///< of each layer, [prompts, kv_heads, width, head_dim]
  std::vector<at::Tensor> keys;             ///< of each edited layer, what its second projection reads, [read, inner]
  std::vector<at::Tensor> everywhere;       ///< like `residual`, of all places, [tokens, hidden]; empty unless asked for
};

/// A model on the prompts that it is recorded on: one that differs from the recorder's own in the edited layers at most. `change`
/// is of the first of them and has an edit for every prompt, in their order.
struct RecordedModel {
  CausalLM const& model;
  EditedProjection change = {};
};

/// Runs prompts and keeps what an analysis reads. All below the first edited layer is run once.
class PassRecorder {
 public:
  /// `layers` are the edited ones, ascending. The model must outlive the recorder.
  PassRecorder(CausalLM const& model, std::vector<SubjectPrompt> const& prompts, std::vector<int> layers, bool everywhere);

  PassRecord record(RecordedModel const& recorded) const;

  std::int64_t prompts() const { return layout_.rows(); }
  Layout const& layout() const { return layout_; }
  std::vector<int> const& layers() const { return layers_; }
  at::Tensor const& read() const { return read_; }
  at::Tensor const& objects() const { return objects_; }
  at::Tensor const& published_objects() const { return published_; }
  at::Tensor const& first() const { return first_; }
  at::Tensor const& last() const { return last_; }
  /// The change of the first edited layer for some of the tokens, [tokens] int64.
  ProjectionOverride override_at(EditedProjection const& change, at::Tensor const& tokens) const;

 private:
  bool is_edited(int layer) const;
  Halfway halfway(Pass const& pass, int layer, at::Tensor const& residual, PassRecord& record) const;
  void keep_residual(at::Tensor const& residual, PassRecord& record) const;

  CausalLM const& model_;
  std::vector<int> layers_;
  bool everywhere_;
  Layout layout_;
  at::Tensor read_;         ///< [read] int64, tokens of the pack
  at::Tensor read_padded_;  ///< [read] int64, the same as places in [rows * width]
  at::Tensor objects_;      ///< [read, 2] int64, SubjectPrompt::objects
  at::Tensor published_;    ///< [read, 2] int64
  at::Tensor first_;        ///< [prompts] int64, SubjectPrompt::subject_first
  at::Tensor last_;         ///< [prompts] int64, SubjectPrompt::subject_last
  PassRecord below_;        ///< up to the first edited layer's attention
  Halfway half_;            ///< of the first edited layer
};

}  // namespace onemask
