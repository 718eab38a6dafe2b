#include "pretrain/model_folder.hpp"

#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

using Json = nlohmann::ordered_json;

at::ScalarType type_of_file(std::string const& dtype) {
  if (dtype == "float16") return at::kHalf;
  return dtype == "bfloat16" ? at::kBFloat16 : at::kFloat;
}

Json describe(ModelConfig const& c, std::string const& dtype) {
  Json json;
  if (c.family == "gpt2") {
    json = {{"architectures", {"GPT2LMHeadModel"}},
            {"model_type", "gpt2"},
            {"activation_function", c.activation},
            {"n_embd", c.hidden},
            {"n_layer", c.layers},
            {"n_head", c.heads},
            {"n_inner", c.inner},
            {"n_positions", c.positions},
            {"layer_norm_epsilon", c.norm_epsilon},
            {"attn_pdrop", 0.0},
            {"embd_pdrop", 0.0},
            {"resid_pdrop", 0.0}};
  } else {
    json = {{"architectures", {"LlamaForCausalLM"}},
            {"model_type", "llama"},
            {"hidden_act", c.activation},
            {"hidden_size", c.hidden},
            {"num_hidden_layers", c.layers},
            {"num_attention_heads", c.heads},
            {"num_key_value_heads", c.kv_heads},
            {"head_dim", c.head_dim},
            {"intermediate_size", c.inner},
            {"max_position_embeddings", c.positions},
            {"rms_norm_eps", c.norm_epsilon},
            {"rope_theta", c.rope_theta},
            {"attention_bias", false},
            {"mlp_bias", false}};
  }
  json["vocab_size"] = c.vocabulary;
  json["tie_word_embeddings"] = true;
  json["bos_token_id"] = c.bos ? Json(*c.bos) : Json();
  json["eos_token_id"] = c.eos ? Json(*c.eos) : Json();
  json["torch_dtype"] = dtype;
  return json;
}

}  // namespace

void copy_tokenizer(std::filesystem::path const& from, std::filesystem::path const& to) {
  if (!std::filesystem::exists(from / "tokenizer.json") && !std::filesystem::exists(from / "vocab.json"))
    throw UserError("The folder '" + from.string() +
                    "' has neither tokenizer.json nor vocab.json. Name the folder of a tokenizer.");
  for (auto const* name :
       {"tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}) {
    if (std::filesystem::exists(from / name)) {
      write_file_atomically(to / name, read_file(from / name));
    } else {
      std::filesystem::remove(to / name);  // an older tokenizer's
    }
  }
}

void write_model(ModelConfig const& config, std::vector<Weight> const& weights, at::Tensor const& flat, std::string const& dtype,
                 std::filesystem::path const& folder) {
  std::map<std::string, at::Tensor> tensors;
  for (auto const& weight : weights) {
    auto const tensor = view_of(flat, weight).to(type_of_file(dtype)).contiguous();
    if (!tensor.isfinite().all().item<bool>())
      throw RunError("The weight " + weight.name + " does not fit into " + dtype + ". Set training.dtype to float32.");
    tensors[weight.name] = tensor;
  }
  save_safetensors(folder / "model.safetensors", tensors, {{"format", "pt"}});
  write_file_atomically(folder / "config.json", describe(config, dtype).dump(2) + "\n");
  Json generation;
  if (config.bos) generation["bos_token_id"] = *config.bos;
  if (config.eos) generation["eos_token_id"] = *config.eos;
  write_file_atomically(folder / "generation_config.json", (generation.is_null() ? Json::object() : generation).dump(2) + "\n");
}

}  // namespace onemask
