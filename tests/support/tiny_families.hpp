#pragma once

#include "support/tiny_model.hpp"

#include <functional>
#include <stdexcept>

namespace onemask::test {

/// GPT-J with 2 heads of 8, of which 4 entries are rotated, and an unembedding of its own with a bias.
inline TinyCheckpoint tiny_gptj(std::uint64_t seed = 1) {
  TinyCheckpoint checkpoint{R"({"model_type": "gptj", "n_layer": 3, "n_embd": 16, "n_head": 2, "n_positions": 64, "n_inner": null,
                                "rotary_dim": 4, "vocab_size": 260, "bos_token_id": null, "eos_token_id": null})",
                            {}};
  TinyTensors tensors(checkpoint, seed);
  tensors.add_tokens("transformer.wte.weight", 16);
  tensors.add_tokens("lm_head.weight", 16);
  tensors.add("lm_head.bias", {260}, 1);
  auto const norm = [&](std::string const& name) {
    tensors.add(name + ".weight", {16}, 0.1, 1);
    tensors.add(name + ".bias", {16}, 0.1);
  };
  for (int layer = 0; layer < 3; ++layer) {
    auto const scope = "transformer.h." + std::to_string(layer);
    norm(scope + ".ln_1");
    for (auto const* matrix : {"q_proj", "k_proj", "v_proj", "out_proj"})
      tensors.add(scope + ".attn." + matrix + ".weight", {16, 16}, 0.25);
    tensors.add(scope + ".mlp.fc_in.weight", {64, 16}, 0.25);
    tensors.add(scope + ".mlp.fc_in.bias", {64}, 0.1);
    tensors.add(scope + ".mlp.fc_out.weight", {16, 64}, 0.25);
    tensors.add(scope + ".mlp.fc_out.bias", {16}, 0.1);
  }
  norm("transformer.ln_f");
  return checkpoint;
}

/// `checkpoint` of Llama as another of its kin: `fields` are put in the place of "model_type": "llama".
inline TinyCheckpoint as_kin(TinyCheckpoint checkpoint, std::string const& fields) {
  std::string const llama = R"("model_type": "llama")";
  checkpoint.config.replace(checkpoint.config.find(llama), llama.size(), fields);
  return checkpoint;
}

/// Mistral: Llama whose positions attend to 3.
inline TinyCheckpoint tiny_mistral(std::uint64_t seed = 1) {
  return as_kin(tiny_llama(seed), R"("model_type": "mistral", "sliding_window": 3)");
}

/// Qwen2: Llama with biases on queries, keys and values.
inline TinyCheckpoint tiny_qwen2(std::uint64_t seed = 1) {
  auto checkpoint = as_kin(tiny_llama(seed), R"("model_type": "qwen2")");
  TinyTensors tensors(checkpoint, seed);
  for (int layer = 0; layer < 3; ++layer) {
    auto const scope = "model.layers." + std::to_string(layer) + ".self_attn.";
    tensors.add(scope + "q_proj.bias", {16}, 0.5);
    tensors.add(scope + "k_proj.bias", {8}, 0.5);
    tensors.add(scope + "v_proj.bias", {8}, 0.5);
  }
  return checkpoint;
}

/// A descendant of Llama with 4 heads of 8 on 2 heads of keys and values, so that heads * head_dim is not the width of 16.
/// `fields` follow the sizes in its configuration.
class TinyKin {
 public:
  TinyKin(std::string const& fields, std::uint64_t seed, std::int64_t positions = 64, std::int64_t hidden = 16)
      : checkpoint_{R"({"num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
                       "intermediate_size": 40, "vocab_size": 260, "max_position_embeddings": )" +
                        std::to_string(positions) + R"(, "hidden_size": )" + std::to_string(hidden) + ", " + fields + "}",
                    {}},
        tensors_(checkpoint_, seed),
        hidden_(hidden) {
    tensors_.add_tokens("model.embed_tokens.weight", hidden);
  }

  /// In every layer; the scope is "model.layers.0" and so on.
  TinyKin& in_layers(std::function<void(TinyTensors&, std::string const& scope)> const& add) {
    for (int layer = 0; layer < 3; ++layer) add(tensors_, "model.layers." + std::to_string(layer));
    return *this;
  }
  /// Matrices as Llama has them.
  TinyKin& matrices() {
    return in_layers([this](TinyTensors& tensors, std::string const& scope) {
      tensors.add(scope + ".self_attn.q_proj.weight", {32, hidden_}, 0.3);
      tensors.add(scope + ".self_attn.k_proj.weight", {16, hidden_}, 0.3);
      tensors.add(scope + ".self_attn.v_proj.weight", {16, hidden_}, 0.3);
      tensors.add(scope + ".self_attn.o_proj.weight", {hidden_, 32}, 0.2);
      tensors.add(scope + ".mlp.gate_proj.weight", {40, hidden_}, 0.3);
      tensors.add(scope + ".mlp.up_proj.weight", {40, hidden_}, 0.3);
      tensors.add(scope + ".mlp.down_proj.weight", {hidden_, 40}, 0.3);
    });
  }
  /// Norms around `mean`; names and sizes.
  TinyKin& norms(std::map<std::string, std::int64_t> const& names, double mean = 1) {
    tensors_.add("model.norm.weight", {hidden_}, 0.1, mean);
    return in_layers([&](TinyTensors& tensors, std::string const& scope) {
      for (auto const& [name, size] : names) tensors.add(scope + "." + name + ".weight", {size}, 0.1, mean);
    });
  }
  TinyKin& head() {
    tensors_.add_tokens("lm_head.weight", 16);
    return *this;
  }
  TinyCheckpoint checkpoint() const { return checkpoint_; }

 private:
  TinyCheckpoint checkpoint_;
  TinyTensors tensors_;
  std::int64_t hidden_;
};

/// The four norms of a layer of Gemma.
inline std::map<std::string, std::int64_t> gemma_norms(std::int64_t hidden) {
  return {{"input_layernorm", hidden},
          {"post_attention_layernorm", hidden},
          {"pre_feedforward_layernorm", hidden},
          {"post_feedforward_layernorm", hidden}};
}

/// Qwen3 with a window of 3 in all layers but the lowest.
inline TinyCheckpoint tiny_qwen3(std::uint64_t seed = 1) {
  return TinyKin(R"("model_type": "qwen3", "use_sliding_window": true, "max_window_layers": 1, "sliding_window": 3)", seed)
      .matrices()
      .norms({{"input_layernorm", 16}, {"post_attention_layernorm", 16}, {"self_attn.q_norm", 8}, {"self_attn.k_norm", 8}})
      .head()
      .checkpoint();
}

/// Phi-3 with LongRoPE on half of each head.
inline TinyCheckpoint tiny_phi3(std::uint64_t seed = 1) {
  return TinyKin(R"("model_type": "phi3", "original_max_position_embeddings": 64, "partial_rotary_factor": 0.5,
                    "rope_scaling": {"type": "longrope", "short_factor": [1.0, 1.5], "long_factor": [2.0, 8.0]})",
                 seed, 256)
      .in_layers([](TinyTensors& tensors, std::string const& scope) {
        tensors.add(scope + ".self_attn.qkv_proj.weight", {64, 16}, 0.3);
        tensors.add(scope + ".self_attn.o_proj.weight", {16, 32}, 0.2);
        tensors.add(scope + ".mlp.gate_up_proj.weight", {80, 16}, 0.3);
        tensors.add(scope + ".mlp.down_proj.weight", {16, 40}, 0.3);
      })
      .norms({{"input_layernorm", 16}, {"post_attention_layernorm", 16}})
      .head()
      .checkpoint();
}

inline TinyCheckpoint tiny_olmo2(std::uint64_t seed = 1) {
  return TinyKin(R"("model_type": "olmo2")", seed)
      .matrices()
      .norms({{"post_attention_layernorm", 16},
              {"post_feedforward_layernorm", 16},
              {"self_attn.q_norm", 32},
              {"self_attn.k_norm", 16}})
      .head()
      .checkpoint();
}

/// Gemma 2 with a window of 3 in layers 0 and 2, and caps that are felt.
inline TinyCheckpoint tiny_gemma2(std::uint64_t seed = 1) {
  return TinyKin(R"("model_type": "gemma2", "sliding_window": 3, "query_pre_attn_scalar": 6, "attn_logit_softcapping": 3.0,
                    "final_logit_softcapping": 4.0)",
                 seed)
      .matrices()
      .norms(gemma_norms(16), 0)
      .checkpoint();
}

/// The text model of Gemma 3 with a window of 3 and other rotations in layers 0 and 2.
inline TinyCheckpoint tiny_gemma3(std::uint64_t seed = 1) {
  auto norms = gemma_norms(16);
  norms["self_attn.q_norm"] = norms["self_attn.k_norm"] = 8;
  return TinyKin(R"("model_type": "gemma3_text", "sliding_window": 3, "sliding_window_pattern": 2, "query_pre_attn_scalar": 6,
                    "rope_theta": 500.0, "rope_local_base_freq": 20.0, "rope_scaling": {"rope_type": "linear", "factor": 4.0})",
                 seed)
      .matrices()
      .norms(norms, 0)
      .checkpoint();
}

/// The same inside of a Gemma 3 that reads images, whose own weights are left out but for one.
inline TinyCheckpoint tiny_gemma3_with_images(std::uint64_t seed = 1) {
  auto const text = tiny_gemma3(seed);
  TinyCheckpoint checkpoint{R"({"model_type": "gemma3", "text_config": )" + text.config + R"(, "vision_config": {}})", {}};
  for (auto const& [name, tensor] : text.tensors) checkpoint.tensors["language_model." + name] = tensor;
  checkpoint.tensors["vision_tower.vision_model.embeddings.patch_embedding.bias"] = random_tensor({4}, seed);
  return checkpoint;
}

/// GPT-NeoX with 2 heads of 8, of which 4 entries are rotated.
inline TinyCheckpoint tiny_gpt_neox(std::uint64_t seed = 1) {
  TinyCheckpoint checkpoint{R"({"model_type": "gpt_neox", "num_hidden_layers": 3, "hidden_size": 16, "num_attention_heads": 2,
                                "intermediate_size": 64, "vocab_size": 260, "max_position_embeddings": 64, "rotary_pct": 0.5,
                                "use_parallel_residual": true})",
                            {}};
  TinyTensors tensors(checkpoint, seed);
  tensors.add_tokens("gpt_neox.embed_in.weight", 16);
  tensors.add_tokens("embed_out.weight", 16);
  auto const both = [&](std::string const& name, at::IntArrayRef shape, double scale, double mean) {
    tensors.add(name + ".weight", shape, scale, mean);
    tensors.add(name + ".bias", shape.slice(0, 1), 0.1);
  };
  for (int layer = 0; layer < 3; ++layer) {
    auto const scope = "gpt_neox.layers." + std::to_string(layer);
    both(scope + ".input_layernorm", {16}, 0.1, 1);
    both(scope + ".post_attention_layernorm", {16}, 0.1, 1);
    both(scope + ".attention.query_key_value", {48, 16}, 0.3, 0);
    both(scope + ".attention.dense", {16, 16}, 0.25, 0);
    both(scope + ".mlp.dense_h_to_4h", {64, 16}, 0.25, 0);
    both(scope + ".mlp.dense_4h_to_h", {16, 64}, 0.25, 0);
  }
  both("gpt_neox.final_layer_norm", {16}, 0.1, 1);
  return checkpoint;
}

/// A checkpoint of each of model_families(), by its name.
inline TinyCheckpoint tiny_family(std::string const& name, std::uint64_t seed = 1) {
  static std::map<std::string, std::function<TinyCheckpoint(std::uint64_t)>> const all{
      {"gemma2", tiny_gemma2},      {"gemma3", tiny_gemma3_with_images},
      {"gemma3_text", tiny_gemma3}, {"gpt2", tiny_gpt2},
      {"gpt_neox", tiny_gpt_neox},  {"gptj", tiny_gptj},
      {"llama", tiny_llama},        {"mistral", tiny_mistral},
      {"olmo2", tiny_olmo2},        {"phi3", tiny_phi3},
      {"qwen2", tiny_qwen2},        {"qwen3", tiny_qwen3}};
  auto const found = all.find(name);
  if (found == all.end()) throw std::invalid_argument("tests have no checkpoint of the family " + name);
  return found->second(seed);
}

}  // namespace onemask::test
