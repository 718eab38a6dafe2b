#pragma once

#include "support/tiny_model.hpp"

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

}  // namespace onemask::test
