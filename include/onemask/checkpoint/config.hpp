#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

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
/// heads is a multiple of kv_heads, and for GPT-2 and GPT-J hidden = heads * head_dim.
struct ModelConfig {
  std::string family;  ///< "gpt2", "gptj", "llama", "mistral" or "qwen2"
  std::int64_t layers, hidden, heads, kv_heads, head_dim;
  std::int64_t inner;       ///< width of the MLP between its two projections
  std::int64_t vocabulary;  ///< rows of the embedding
  std::int64_t positions;   ///< longest sequence [tokens]
  double norm_epsilon;
  std::string activation;  ///< of the MLP: "gelu_new" (tanh approximation), "gelu" or "relu" for GPT-2 and GPT-J, else "silu"
  bool tied_head;          ///< the unembedding is the embedding
  std::optional<std::int64_t> bos, eos;

  // GPT-2
  bool scale_attention = true;                    ///< scores divided by sqrt(head_dim)
  bool scale_attention_by_inverse_layer = false;  ///< scores of layer i (from 0) divided by i + 1 as well

  // GPT-J
  std::int64_t rotary_dim = 0;  ///< leading entries of each head that are rotated, even, at most head_dim

  // Llama, Mistral, Qwen2
  double rope_theta = 0;
  std::optional<RopeScaling> rope_scaling;
  bool attention_bias = false, mlp_bias = false;
  bool qkv_bias = false;                       ///< queries, keys and values have biases, attention's output has none (Qwen2)
  std::optional<std::int64_t> sliding_window;  ///< a position attends to this many, itself the last [tokens]; nothing: to all

  bool operator==(ModelConfig const&) const = default;
};

/// Reads config.json in `folder`, of GPT-2, GPT-J, Llama 2 or 3, Mistral or Qwen2 (also Qwen2.5). Throws UserError naming file,
/// field, value and what is supported: another architecture, activation or rotary scaling, windows in some layers only, quantised
/// weights, sizes that are missing, absurd or do not fit together.
ModelConfig read_model_config(std::filesystem::path const& folder);

}  // namespace onemask
