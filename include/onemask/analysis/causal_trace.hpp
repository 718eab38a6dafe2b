#pragma once

#include <onemask/data/counterfact.hpp>
#include <onemask/model/pass.hpp>
#include <onemask/settings/tracing_options.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace onemask {

// Causal tracing: which states of a model bring a fact back that noise on its subject has driven out (Meng et al. 2022, "Locating
// and Editing Factual Associations in GPT", arXiv 2202.05262, section 2).

/// A fact's prompt, and where its subject stands in it.
struct TracePrompt {
  std::int64_t case_id = 0;
  std::vector<std::int64_t> ids;     ///< of the prompt
  std::vector<std::int64_t> object;  ///< of the true object behind it
  std::int64_t subject = 0;          ///< the subject's tokens are [subject, after)
  std::int64_t after = 0;

  std::int64_t subject_tokens() const { return after - subject; }
  /// Of a token from the subject's first on.
  TracePlace place_of(std::int64_t token) const;
};

/// Tokenizes a fact for tracing. The subject's tokens are those that hold a character of it. Throws UserError naming the record
/// where its object tokenizes to nothing, its subject cannot be found in the tokens of its prompt, or prompt and object take more
/// than `positions`.
TracePrompt make_trace_prompt(Tokenizer const& tokenizer, Fact const& fact, std::int64_t positions);

/// What noise is measured by: the standard deviation of all entries of the embeddings of the subjects' tokens, each token as
/// often as it occurs (collect_embedding_std of the published code).
double subject_deviation(CausalLM const& model, std::vector<TracePrompt> const& prompts);

/// Normal noise that is added to the embeddings of a subject's tokens.
struct TraceNoise {
  std::uint64_t seed = 0;
  int samples = 1;
  double deviation = 0;  ///< standard deviation of each entry
};

/// A sample of a fact's noise, [tokens, hidden] float32, from the numbers RandomStream({seed, stream::tracing_noise, case_id,
/// sample}) one after the other.
at::Tensor subject_noise(TraceNoise const& noise, TracePrompt const& prompt, int sample, std::int64_t hidden);

/// Probabilities after a fact's prompt: means over the samples of the noise where there is any.
struct FactTrace {
  double clean = 0, corrupted = 0;                ///< of the true object's first token
  double object_clean = 0, object_corrupted = 0;  ///< of the whole object
  double deviation = 0;                           ///< of the noise
  /// Of the first token where a state is restored: [places, layers], layer by layer for each of trace_place_names; the mean over
  /// the prompt's tokens of the place, NaN where it has none.
  std::vector<double> restored;

  bool operator==(FactTrace const&) const = default;
};

/// Layers from `first` to before `end`.
struct LayerWindow {
  int first = 0, end = 0;

  bool operator==(LayerWindow const&) const = default;
};

/// What is restored together around a layer: of states the layer itself; else [layer - width / 2, layer + (width + 1) / 2), as
/// far as the model has them (trace_important_window of the published code).
LayerWindow window_around(int layer, TraceKind kind, int width, int layers);

/// Some facts, run clean and with every sample of their noise. All states are kept, so that a run that restores one of them
/// begins there: nothing below its layer and before its token is computed again. The model must outlive it.
class CausalTrace {
 public:
  CausalTrace(CausalLM const& model, std::vector<TracePrompt> prompts, TraceNoise const& noise);

  /// Restores the clean state at every token from the subject's first on and around every layer, in every sample; `rows` runs at
  /// once. What MLPs and attentions add is taken as it enters the residual stream, behind any norm. Waits for a GPU a few times
  /// for each `rows` runs.
  std::vector<FactTrace> trace(TraceKind kind, int width, std::int64_t rows) const;

 private:
  /// A run that restores something at a token.
  struct Run {
    std::size_t fact;
    std::int64_t token;
    int sample;
  };
  struct Batch;

  /// Row of the pack that holds a fact's clean run (sample -1) or a corrupted one.
  std::int64_t row_of(std::size_t fact, int sample) const {
    return static_cast<std::int64_t>(fact) * (noise_.samples + 1) + sample + 1;
  }
  void add_noise(TokenRows const& packed, at::Tensor& stream) const;
  void run_whole(TokenRows const& packed, std::vector<std::int64_t> const& clean);
  void read_objects(Pass const& pass);
  at::Tensor mlp_of(int layer, at::Tensor const& key) const;
  Batch batch_of(std::vector<Run> const& runs) const;
  at::Tensor start_of(Batch const& batch, TraceKind kind, int layer) const;
  at::Tensor step(Batch const& batch, TraceKind kind, int layer, at::Tensor const& stream) const;
  at::Tensor probabilities(Batch const& batch, int first, at::Tensor const& stream) const;
  at::Tensor restored(Batch const& batch, TraceKind kind, std::vector<LayerWindow> const& windows) const;

  CausalLM const& model_;
  int layers_;
  std::vector<TracePrompt> prompts_;
  TraceNoise noise_;
  std::vector<FactTrace> unrestored_;     ///< of each fact
  std::vector<std::int64_t> begins_;      ///< of each row, its first token in the pack
  std::vector<std::int64_t> clean_from_;  ///< of each fact, its first token among the clean ones
  // By layer, of all tokens:
  std::vector<at::Tensor> streams_;  ///< residual stream before it; one more behind the last
  std::vector<at::Tensor> halves_;   ///< with attention added
  std::vector<KeyValue> seen_;
  // By layer, of clean tokens alone:
  std::vector<at::Tensor> attention_, mlp_;  ///< what they add
};

/// A safetensors file with the traces, which have equally many layers.
std::string to_bytes(std::vector<FactTrace> const& traces);
/// Throws UserError naming `source` when the bytes are not such traces.
std::vector<FactTrace> fact_traces_from_bytes(std::string bytes, std::string const& source);

}  // namespace onemask
