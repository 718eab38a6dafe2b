#pragma once

#include "support/temporary_folder.hpp"
#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/random.hpp>
#include <onemask/model/causal_lm.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>

namespace onemask::test {

/// Normal random numbers of the given size, from the seed alone.
inline at::Tensor random_tensor(at::IntArrayRef shape, std::uint64_t seed, double scale = 1) {
  RandomStream random({seed});
  auto tensor = at::empty(shape, at::kFloat);
  for (std::int64_t i = 0; i < tensor.numel(); ++i) tensor.data_ptr<float>()[i] = static_cast<float>(scale * random.normal());
  return tensor;
}

/// A checkpoint of 3 layers, 16 wide, 64 positions and 260 tokens, with random weights. Tokens that are printable ASCII
/// characters of a byte-level tokenizer are likelier than others, so that the model writes text.
struct TinyCheckpoint {
  std::string config;
  std::map<std::string, at::Tensor> tensors;

  /// The model, from files that are gone when this returns (weights stay mapped).
  std::unique_ptr<CausalLM> load(at::ScalarType dtype = at::kFloat, at::Device device = at::kCPU) const {
    TemporaryFolder const folder;
    write_to(folder.path());
    return load_causal_lm(Checkpoint::open(folder.path()), {device, dtype});
  }

  void write_to(std::filesystem::path const& folder) const {
    write_file_atomically(folder / "config.json", config);
    write_file_atomically(folder / "model.safetensors", write_safetensors(tensors, {}));
  }
};

inline constexpr std::int64_t tiny_vocabulary = 260;

/// Fills `checkpoint` with tensors of the given shapes, each from its own random numbers.
class TinyTensors {
 public:
  TinyTensors(TinyCheckpoint& checkpoint, std::uint64_t seed) : tensors_(checkpoint.tensors), seed_(seed) {}

  void add(std::string const& name, at::IntArrayRef shape, double scale, double mean = 0) {
    tensors_[name] = random_tensor(shape, seed_ * 1000 + tensors_.size(), scale) + mean;
  }
  void add_tokens(std::string const& name, std::int64_t hidden) {
    add(name, {tiny_vocabulary, hidden}, 1);
    auto const scale = at::full({tiny_vocabulary, 1}, 0.25);
    scale.narrow(0, 32, 95).fill_(1);
    tensors_[name].mul_(scale);
  }

 private:
  std::map<std::string, at::Tensor>& tensors_;
  std::uint64_t seed_;
};

/// GPT-2 with 2 heads; its unembedding is its embedding.
inline TinyCheckpoint tiny_gpt2(std::uint64_t seed = 1) {
  TinyCheckpoint checkpoint{R"({"model_type": "gpt2", "n_layer": 3, "n_embd": 16, "n_head": 2, "n_positions": 64,
                                "vocab_size": 260, "bos_token_id": null, "eos_token_id": null})",
                            {}};
  TinyTensors tensors(checkpoint, seed);
  tensors.add_tokens("transformer.wte.weight", 16);
  tensors.add("transformer.wpe.weight", {64, 16}, 0.2);
  auto const norm = [&](std::string const& name) {
    tensors.add(name + ".weight", {16}, 0.1, 1);
    tensors.add(name + ".bias", {16}, 0.1);
  };
  auto const matrix = [&](std::string const& name, std::int64_t in, std::int64_t out) {
    tensors.add(name + ".weight", {in, out}, 0.25);
    tensors.add(name + ".bias", {out}, 0.1);
  };
  for (int layer = 0; layer < 3; ++layer) {
    auto const scope = "transformer.h." + std::to_string(layer);
    norm(scope + ".ln_1");
    norm(scope + ".ln_2");
    matrix(scope + ".attn.c_attn", 16, 48);
    matrix(scope + ".attn.c_proj", 16, 16);
    matrix(scope + ".mlp.c_fc", 16, 64);
    matrix(scope + ".mlp.c_proj", 64, 16);
  }
  norm("transformer.ln_f");
  return checkpoint;
}

/// Llama with 4 heads on 2 heads of keys and values, an unembedding of its own and the rotary scaling of Llama 3.
inline TinyCheckpoint tiny_llama(std::uint64_t seed = 1) {
  TinyCheckpoint checkpoint{R"({"model_type": "llama", "num_hidden_layers": 3, "hidden_size": 16, "num_attention_heads": 4,
                                "num_key_value_heads": 2, "intermediate_size": 40, "vocab_size": 260,
                                "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 500.0,
                                "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                                                 "high_freq_factor": 4.0, "original_max_position_embeddings": 16}})",
                            {}};
  TinyTensors tensors(checkpoint, seed);
  tensors.add_tokens("model.embed_tokens.weight", 16);
  tensors.add_tokens("lm_head.weight", 16);
  for (int layer = 0; layer < 3; ++layer) {
    auto const scope = "model.layers." + std::to_string(layer);
    for (auto const* norm : {".input_layernorm.weight", ".post_attention_layernorm.weight"})
      tensors.add(scope + norm, {16}, 0.1, 1);
    tensors.add(scope + ".self_attn.q_proj.weight", {16, 16}, 0.3);
    tensors.add(scope + ".self_attn.k_proj.weight", {8, 16}, 0.3);
    tensors.add(scope + ".self_attn.v_proj.weight", {8, 16}, 0.3);
    tensors.add(scope + ".self_attn.o_proj.weight", {16, 16}, 0.3);
    tensors.add(scope + ".mlp.gate_proj.weight", {40, 16}, 0.3);
    tensors.add(scope + ".mlp.up_proj.weight", {40, 16}, 0.3);
    tensors.add(scope + ".mlp.down_proj.weight", {16, 40}, 0.3);
  }
  tensors.add("model.norm.weight", {16}, 0.1, 1);
  return checkpoint;
}

/// `count` random token ids.
inline std::vector<std::int64_t> random_ids(std::size_t count, std::uint64_t seed) {
  RandomStream random({seed, 77});
  std::vector<std::int64_t> ids(count);
  for (auto& id : ids) id = static_cast<std::int64_t>(random.below(tiny_vocabulary));
  return ids;
}

/// Largest absolute difference.
inline double largest_difference(at::Tensor const& a, at::Tensor const& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

}  // namespace onemask::test
