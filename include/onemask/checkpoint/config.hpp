#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace onemask {

/// Llama 3's scaling of rotary frequencies: wavelengths beyond original_positions / low_frequency_factor are stretched by
/// `factor`, those below original_positions / high_frequency_factor stay, a linear passage between (arXiv 2407.21783; rope_type
/// "llama3").
struct RopeScaling {
  double factor, low_frequency_factor, high_frequency_factor;
  std::int64_t original_positions;  // [tokens]

  bool operator==(RopeScaling const&) const = default;
};

/// The architecture of a decoder-only transformer, from a Hugging Face config.json. All sizes are positive and fit together:
/// heads is a multiple of kv_heads, and for GPT-2, GPT-J and GPT-NeoX hidden = heads * head_dim.
struct ModelConfig {
  std::string family;  ///< one of model_families()
  std::int64_t layers, hidden, heads, kv_heads, head_dim;
  std::int64_t inner;       ///< width of the MLP between its two projections
  std::int64_t vocabulary;  ///< rows of the embedding
  std::int64_t positions;   ///< longest sequence [tokens]
  double norm_epsilon;
  std::string activation;  ///< of the MLP: "gelu_new" (tanh approximation), "gelu", "relu" or "silu"
  bool tied_head;          ///< the unembedding is the embedding
  std::optional<std::int64_t> bos, eos;
  bool gated = false;     ///< the MLP multiplies two first projections, of which one went through the activation
  bool mlp_norm = false;  ///< a norm stands between the second projection and the residual stream (Gemma 2 and 3, OLMo 2)

  // GPT-2
  bool scale_attention = true;                    ///< scores divided by sqrt(head_dim)
  bool scale_attention_by_inverse_layer = false;  ///< scores of layer i (from 0) divided by i + 1 as well

  // Rotary position embeddings: all but GPT-2
  std::int64_t rotary_dim = 0;  ///< leading entries of each head that are rotated, even, at most head_dim; 0: the whole head
  double rope_theta = 0;
  std::optional<RopeScaling> rope_scaling;
  std::vector<double> rope_divisors;  ///< what each frequency is divided by (linear, YaRN, LongRoPE); empty: nothing
  double rope_amplitude = 1;          ///< factor of cosines and sines (YaRN, LongRoPE)
  double local_rope_theta = 0;        ///< of layers with a window, without any scaling (Gemma 3); 0: theirs is that of all layers

  // Attention
  bool attention_bias = false, mlp_bias = false;
  bool qkv_bias = false;                       ///< queries, keys and values have biases, attention's output has none (Qwen2)
  std::optional<std::int64_t> sliding_window;  ///< a position attends to this many, itself the last [tokens]; nothing: to all
  std::vector<bool> windowed;                  ///< the layers that the window holds for; empty: all
  double query_scalar = 0;                     ///< scores are divided by its root (Gemma); 0: head_dim
  std::optional<double> score_cap;             ///< a score s becomes cap * tanh(s / cap) (Gemma 2)
  std::optional<double> logit_cap;             ///< the same of logits
  bool parallel_residual = true;               ///< GPT-NeoX: the MLP reads the residual stream without this layer's attention

  /// What begins the names of modules in transformers (from 4.52 on) where it is not what begins those of weights here: of a
  /// model that also reads images.
  std::string module_prefix = {};

  /// Whether the window holds for a layer.
  bool has_window(int layer) const;

  bool operator==(ModelConfig const&) const = default;
};

/// What config.json calls the families that can be read, in alphabetical order. A folder of Gemma 3 with images ("gemma3") counts
/// as its text model.
std::vector<std::string> model_families();

/// Reads config.json in `folder`. Throws UserError naming file, field, value and what is supported: another architecture,
/// activation or rotary scaling, attention to later positions, quantised weights, sizes that are missing, absurd or do not fit
/// together.
ModelConfig read_model_config(std::filesystem::path const& folder);

}  // namespace onemask
