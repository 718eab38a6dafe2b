#include "support/complaint.hpp"
#include "support/temporary_folder.hpp"
#include <onemask/checkpoint/config.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/random.hpp>

#include <cmath>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// gpt2-xl as it is published.
json gpt2_xl() {
  return json::parse(
      R"({"activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1, "bos_token_id": 50256,
    "embd_pdrop": 0.1, "eos_token_id": 50256, "initializer_range": 0.02, "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": 1024,
    "n_embd": 1600, "n_head": 25, "n_layer": 48, "n_positions": 1024, "output_past": true, "resid_pdrop": 0.1, "vocab_size": 50257})");
}

/// Llama 3.2 3B as it is published.
json llama_3b() {
  return json::parse(
      R"({"architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 128000,
    "eos_token_id": 128001, "head_dim": 128, "hidden_act": "silu", "hidden_size": 3072, "initializer_range": 0.02, "intermediate_size": 8192,
    "max_position_embeddings": 131072, "mlp_bias": false, "model_type": "llama", "num_attention_heads": 24, "num_hidden_layers": 28,
    "num_key_value_heads": 8, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0,
    "low_freq_factor": 1.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"}, "rope_theta": 500000.0,
    "tie_word_embeddings": true, "torch_dtype": "bfloat16", "use_cache": true, "vocab_size": 128256})");
}

/// GPT-J-6B as it is published, without what it says of training and generation.
json gptj_6b() {
  return json::parse(
      R"({"activation_function": "gelu_new", "architectures": ["GPTJForCausalLM"], "bos_token_id": 50256, "eos_token_id": 50256,
    "gradient_checkpointing": false, "layer_norm_epsilon": 1e-05, "model_type": "gptj", "n_embd": 4096, "n_head": 16, "n_inner": null,
    "n_layer": 28, "n_positions": 2048, "rotary": true, "rotary_dim": 64, "scale_attn_weights": true, "tie_word_embeddings": false,
    "vocab_size": 50400})");
}

/// Mistral 7B v0.1 as it is published.
json mistral_7b() {
  return json::parse(
      R"({"architectures": ["MistralForCausalLM"], "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 4096,
    "initializer_range": 0.02, "intermediate_size": 14336, "max_position_embeddings": 32768, "model_type": "mistral",
    "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
    "sliding_window": 4096, "tie_word_embeddings": false, "vocab_size": 32000})");
}

/// Qwen2.5 7B as it is published.
json qwen_7b() {
  return json::parse(
      R"({"architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643, "eos_token_id": 151643,
    "hidden_act": "silu", "hidden_size": 3584, "initializer_range": 0.02, "intermediate_size": 18944, "max_position_embeddings": 131072,
    "max_window_layers": 28, "model_type": "qwen2", "num_attention_heads": 28, "num_hidden_layers": 28, "num_key_value_heads": 4,
    "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": 131072, "tie_word_embeddings": false, "use_sliding_window": false,
    "vocab_size": 152064})");
}

/// What is needed of Llama's kin, with 4 layers.
json kin(std::string const& family) {
  return {{"model_type", family},     {"num_hidden_layers", 4},          {"hidden_size", 64},
          {"num_attention_heads", 8}, {"intermediate_size", 96},         {"vocab_size", 100},
          {"head_dim", 16},           {"max_position_embeddings", 4096}, {"num_key_value_heads", 4}};
}

/// Gemma 3 4B as it is published, without its vision and what it says of generation.
json gemma3_4b() {
  return json::parse(
      R"({"architectures": ["Gemma3ForConditionalGeneration"], "boi_token_index": 255999, "eoi_token_index": 256000,
    "eos_token_id": [1, 106], "image_token_index": 262144, "initializer_range": 0.02, "mm_tokens_per_image": 256, "model_type": "gemma3",
    "text_config": {"hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text", "num_hidden_layers": 34,
    "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024}, "torch_dtype": "bfloat16"})");
}

ModelConfig read_text(std::string const& text) {
  test::TemporaryFolder const folder;
  std::ofstream(folder / "config.json") << text;
  return read_model_config(folder.path());
}

ModelConfig read(json const& config) {
  return read_text(config.dump());
}

ModelConfig read_with(json config, json const& changes) {
  config.update(changes);
  return read(config);
}

std::string complaint(json config, json const& changes) {
  return test::complaint_of([&] { read_with(std::move(config), changes); });
}

TEST(Config, ReadsGpt2) {
  auto const config = read(gpt2_xl());
  EXPECT_EQ(config.family, "gpt2");
  EXPECT_EQ(config.layers, 48);
  EXPECT_EQ(config.hidden, 1600);
  EXPECT_EQ(config.heads, 25);
  EXPECT_EQ(config.kv_heads, 25);
  EXPECT_EQ(config.head_dim, 64);
  EXPECT_EQ(config.inner, 6400);
  EXPECT_EQ(config.vocabulary, 50257);
  EXPECT_EQ(config.positions, 1024);
  EXPECT_EQ(config.norm_epsilon, 1e-5);
  EXPECT_EQ(config.activation, "gelu_new");
  EXPECT_TRUE(config.tied_head);
  EXPECT_TRUE(config.scale_attention);
  EXPECT_FALSE(config.scale_attention_by_inverse_layer);
  EXPECT_EQ(config.bos, 50256);
  EXPECT_EQ(config.eos, 50256);
}

TEST(Config, ReadsGpt2Options) {
  auto const config = read_with(gpt2_xl(), {{"n_inner", 100},
                                            {"activation_function", "gelu_pytorch_tanh"},
                                            {"scale_attn_weights", false},
                                            {"scale_attn_by_inverse_layer_idx", true},
                                            {"tie_word_embeddings", false},
                                            {"bos_token_id", nullptr}});
  EXPECT_EQ(config.inner, 100);
  EXPECT_EQ(config.activation, "gelu_new");
  EXPECT_FALSE(config.scale_attention);
  EXPECT_TRUE(config.scale_attention_by_inverse_layer);
  EXPECT_FALSE(config.tied_head);
  EXPECT_FALSE(config.bos.has_value());
  EXPECT_EQ(read_with(gpt2_xl(), {{"n_inner", nullptr}}), read(gpt2_xl()));
}

TEST(Config, ReadsLlama) {
  auto const config = read(llama_3b());
  EXPECT_EQ(config.family, "llama");
  EXPECT_EQ(config.layers, 28);
  EXPECT_EQ(config.hidden, 3072);
  EXPECT_EQ(config.heads, 24);
  EXPECT_EQ(config.kv_heads, 8);
  EXPECT_EQ(config.head_dim, 128);
  EXPECT_EQ(config.inner, 8192);
  EXPECT_EQ(config.vocabulary, 128256);
  EXPECT_EQ(config.positions, 131072);
  EXPECT_EQ(config.activation, "silu");
  EXPECT_TRUE(config.tied_head);
  EXPECT_EQ(config.rope_theta, 500000);
  ASSERT_TRUE(config.rope_scaling.has_value());
  EXPECT_EQ(*config.rope_scaling, (RopeScaling{32, 1, 4, 8192}));
  EXPECT_EQ(config.bos, 128000);
  EXPECT_EQ(config.eos, 128001);
}

TEST(Config, ReadsLlamaDefaults) {
  auto config = llama_3b();
  for (auto const* field : {"num_key_value_heads", "head_dim", "rope_scaling", "rope_theta", "tie_word_embeddings"})
    config.erase(field);
  auto const read_back = read(config);
  EXPECT_EQ(read_back.kv_heads, 24);
  EXPECT_EQ(read_back.head_dim, 128);
  EXPECT_EQ(read_back.rope_theta, 10000);
  EXPECT_FALSE(read_back.rope_scaling.has_value());
  EXPECT_FALSE(read_back.tied_head);
}

TEST(Config, ReadsGptJ) {
  auto const config = read(gptj_6b());
  EXPECT_EQ(config.family, "gptj");
  EXPECT_EQ(config.layers, 28);
  EXPECT_EQ(config.head_dim, 256);
  EXPECT_EQ(config.rotary_dim, 64);
  EXPECT_EQ(config.inner, 16384);
  EXPECT_EQ(config.vocabulary, 50400);
  EXPECT_FALSE(config.tied_head);
  for (json const& wrong : {json(0), json(63), json(258), json(), json("64")})
    EXPECT_THAT(complaint(gptj_6b(), {{"rotary_dim", wrong}}), HasSubstr("'rotary_dim' is"));
}

TEST(Config, ReadsMistral) {
  auto const config = read(mistral_7b());
  EXPECT_EQ(config.family, "mistral");
  EXPECT_EQ(config.head_dim, 128);
  EXPECT_EQ(config.kv_heads, 8);
  EXPECT_EQ(config.sliding_window, 4096);
  EXPECT_FALSE(config.attention_bias || config.qkv_bias || config.mlp_bias || config.rope_scaling);
  EXPECT_EQ(read_with(mistral_7b(), {{"sliding_window", nullptr}}).sliding_window, std::nullopt);  // as of v0.2
  EXPECT_EQ(read_with(mistral_7b(), {{"head_dim", 64}}).head_dim, 64);
  auto silent = mistral_7b();
  silent.erase("sliding_window");
  EXPECT_EQ(read(silent).sliding_window, 4096);
  for (json const& wrong : {json(0), json(-1), json("4096"), json(1.5)})
    EXPECT_THAT(complaint(mistral_7b(), {{"sliding_window", wrong}}), HasSubstr("'sliding_window' is " + wrong.dump()));
}

TEST(Config, ReadsQwen2) {
  auto const config = read(qwen_7b());
  EXPECT_EQ(config.family, "qwen2");
  EXPECT_EQ(config.head_dim, 128);
  EXPECT_EQ(config.rope_theta, 1e6);
  EXPECT_TRUE(config.qkv_bias);
  EXPECT_FALSE(config.attention_bias || config.mlp_bias || config.tied_head);
  EXPECT_EQ(config.sliding_window, std::nullopt);  // the file names a window, but does not use it
}

TEST(Config, WindowsOfQwenAreInTheUpperLayers) {
  json const used{{"use_sliding_window", true}, {"sliding_window", 7}, {"max_window_layers", 3}};
  for (auto const* family : {"qwen2", "qwen3"}) {
    auto const config = read_with(kin(family), used);
    EXPECT_EQ(config.sliding_window, 7);
    EXPECT_EQ(config.windowed, (std::vector<bool>{false, false, false, true}));
    EXPECT_FALSE(config.has_window(2));
    EXPECT_TRUE(config.has_window(3));
    EXPECT_EQ(read(kin(family)).sliding_window, std::nullopt);
    auto all = used;
    all["max_window_layers"] = 0;
    EXPECT_TRUE(read_with(kin(family), all).windowed.empty());
    EXPECT_TRUE(read_with(kin(family), all).has_window(0));
    all["max_window_layers"] = 4;
    EXPECT_EQ(read_with(kin(family), all).sliding_window, std::nullopt);
    auto named = used;
    named["layer_types"] = {"sliding_attention", "full_attention", "full_attention", "full_attention"};
    EXPECT_TRUE(read_with(kin(family), named).has_window(0));
    EXPECT_FALSE(read_with(kin(family), named).has_window(3));
    named["use_sliding_window"] = false;
    EXPECT_THAT(complaint(kin(family), named), HasSubstr("'sliding_window' is 7; some layers attend to a window"));
    named["layer_types"] = {"full_attention"};
    EXPECT_THAT(complaint(kin(family), named), HasSubstr("a list of 4 texts"));
    named["layer_types"] = {"full_attention", "full_attention", "full_attention", "chunked_attention"};
    EXPECT_THAT(complaint(kin(family), named), HasSubstr("not 'chunked_attention'"));
  }
}

TEST(Config, ReadsQwen3) {
  auto const config = read(kin("qwen3"));
  EXPECT_EQ(config.family, "qwen3");
  EXPECT_FALSE(config.qkv_bias || config.attention_bias || config.mlp_norm);
  auto silent = kin("qwen3");
  silent.erase("head_dim");
  EXPECT_EQ(read(silent).head_dim, 128);
}

TEST(Config, ReadsGemma2) {
  auto const config = read(kin("gemma2"));
  EXPECT_EQ(config.activation, "gelu_new");
  EXPECT_EQ(config.score_cap, 50);
  EXPECT_EQ(config.logit_cap, 30);
  EXPECT_EQ(config.query_scalar, 256);
  EXPECT_EQ(config.sliding_window, 4096);
  EXPECT_EQ(config.windowed, (std::vector<bool>{true, false, true, false}));
  EXPECT_TRUE(config.tied_head && config.mlp_norm && config.gated);
  auto const uncapped = read_with(kin("gemma2"), {{"attn_logit_softcapping", nullptr}, {"final_logit_softcapping", nullptr}});
  EXPECT_FALSE(uncapped.score_cap || uncapped.logit_cap);
  EXPECT_THAT(complaint(kin("gemma2"), {{"attn_logit_softcapping", 0}}), HasSubstr("above 0"));
  EXPECT_THAT(complaint(kin("gemma2"), {{"sliding_window", nullptr}}), HasSubstr("some layers attend to a window"));
  EXPECT_THAT(complaint(kin("gemma2"), {{"use_bidirectional_attention", true}}), HasSubstr("use_bidirectional_attention"));
  EXPECT_THAT(complaint(kin("gemma2"), {{"hidden_activation", "silu"}}), HasSubstr("gelu_pytorch_tanh"));
}

TEST(Config, ReadsTheTextModelOfGemma3) {
  auto const config = read(gemma3_4b());
  EXPECT_EQ(config.family, "gemma3_text");
  EXPECT_EQ(config.layers, 34);
  EXPECT_EQ(config.heads, 8);
  EXPECT_EQ(config.kv_heads, 4);
  EXPECT_EQ(config.head_dim, 256);
  EXPECT_EQ(config.vocabulary, 262208);
  EXPECT_EQ(config.positions, 131072);
  EXPECT_EQ(config.sliding_window, 1024);
  for (int layer = 0; layer < 34; ++layer) EXPECT_EQ(config.has_window(layer), layer % 6 != 5) << layer;
  EXPECT_EQ(config.rope_theta, 1e6);
  EXPECT_EQ(config.local_rope_theta, 1e4);
  EXPECT_EQ(config.rope_divisors, std::vector<double>(128, 8));
  EXPECT_FALSE(config.score_cap || config.logit_cap);
  EXPECT_TRUE(config.tied_head && config.mlp_norm);
  EXPECT_THAT(complaint(gemma3_4b(), {{"text_config", nullptr}}), HasSubstr("'text_config' is missing"));
  EXPECT_THAT(complaint(kin("gemma3_text"), {{"sliding_window", nullptr}}), HasSubstr("some layers attend to a window"));
  auto open = gemma3_4b();
  open["text_config"]["sliding_window"] = nullptr;
  EXPECT_THAT(complaint(open, json::object()), HasSubstr("some layers attend to a window"));
  EXPECT_EQ(config.module_prefix, "model.language_model.");
  EXPECT_EQ(read(kin("gemma3_text")).module_prefix, "");
  EXPECT_THAT(complaint(kin("gemma3_text"), {{"attn_logit_softcapping", 50.0}}), HasSubstr("do not cap"));
}

TEST(Config, RotationsOfGemma3AsNewerFilesSayThem) {
  json const ropes{{"full_attention", {{"rope_type", "linear"}, {"factor", 8.0}, {"rope_theta", 5e5}}},
                   {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 300}}}};
  auto const config = read_with(kin("gemma3_text"), {{"rope_parameters", ropes}, {"sliding_window_pattern", 2}});
  EXPECT_EQ(config.rope_theta, 5e5);
  EXPECT_EQ(config.local_rope_theta, 300);
  EXPECT_EQ(config.rope_divisors, std::vector<double>(8, 8));
  EXPECT_FALSE(config.has_window(1) || config.has_window(3));
  auto scaled = ropes;
  scaled["sliding_attention"]["rope_type"] = "linear";
  EXPECT_THAT(complaint(kin("gemma3_text"), {{"rope_parameters", scaled}}), HasSubstr("'rope_type' is \"linear\""));
  EXPECT_THAT(complaint(kin("llama"), {{"rope_parameters", ropes}}), HasSubstr("'full_attention' is"));
}

TEST(Config, ReadsPhi3) {
  auto const config = read_with(kin("phi3"), {{"sliding_window", 2047}});
  EXPECT_EQ(config.sliding_window, 2047);
  EXPECT_EQ(config.rotary_dim, 0);
  EXPECT_EQ(config.norm_epsilon, 1e-5);
  EXPECT_EQ(read(kin("phi3")).sliding_window, std::nullopt);
  json const rope{
      {"type", "longrope"}, {"short_factor", {1.0, 1.5, 2.0, 2.5, 3.0, 3.5}}, {"long_factor", json::array({2, 2, 2, 2, 2, 2})}};
  json const changes{{"partial_rotary_factor", 0.75}, {"rope_scaling", rope}, {"max_position_embeddings", 131072}};
  auto const long_one = read_with(kin("phi3"), changes);
  EXPECT_EQ(long_one.rotary_dim, 12);
  EXPECT_EQ(long_one.rope_divisors, (std::vector<double>{1, 1.5, 2, 2.5, 3, 3.5}));
  EXPECT_NEAR(long_one.rope_amplitude, std::sqrt(1 + std::log(32) / std::log(4096)), 1e-12);
  EXPECT_EQ(long_one.positions, 4096);  // longer sequences have other factors
  auto old = changes;
  for (auto const* name : {"su", "yarn"}) {
    old["rope_scaling"]["type"] = name;
    EXPECT_EQ(read_with(kin("phi3"), old), long_one);
  }
  old["rope_scaling"]["short_factor"] = {1.0, 1.5};
  EXPECT_THAT(complaint(kin("phi3"), old), HasSubstr("'short_factor' is [1.0,1.5]; it must be a list of 6 numbers above 0"));
  for (json const& share : {json(0.1), json(1.5), json(0)})
    EXPECT_THAT(complaint(kin("phi3"), {{"partial_rotary_factor", share}}), HasSubstr("'partial_rotary_factor' is"));
}

TEST(Config, ReadsOlmo2) {
  auto const config = read(kin("olmo2"));
  EXPECT_TRUE(config.mlp_norm);
  EXPECT_EQ(config.norm_epsilon, 1e-5);
  EXPECT_FALSE(config.attention_bias || config.tied_head);
}

TEST(Config, ReadsGptNeoX) {
  auto const config = read(kin("gpt_neox"));
  EXPECT_EQ(config.head_dim, 8);  // hidden / heads, whatever else a file says
  EXPECT_EQ(config.kv_heads, 8);
  EXPECT_EQ(config.rotary_dim, 2);
  EXPECT_EQ(config.rope_theta, 10000);
  EXPECT_EQ(config.activation, "gelu");
  EXPECT_TRUE(config.attention_bias && config.parallel_residual);
  EXPECT_FALSE(config.tied_head || config.gated);
  auto const other =
      read_with(kin("gpt_neox"), {{"rotary_pct", 1.0}, {"rotary_emb_base", 500}, {"use_parallel_residual", false}});
  EXPECT_EQ(other.rotary_dim, 0);
  EXPECT_EQ(other.rope_theta, 500);
  EXPECT_FALSE(other.parallel_residual);
  json const newer{{"partial_rotary_factor", 0.5}, {"rope_theta", 300}, {"rope_type", "default"}};
  EXPECT_EQ(read_with(kin("gpt_neox"), {{"rope_parameters", newer}}).rotary_dim, 4);
  EXPECT_THAT(complaint(kin("gpt_neox"), {{"num_attention_heads", 7}}), HasSubstr("must divide hidden_size, which is 64"));
}

TEST(Config, KindsOfRotaryScaling) {
  auto const with = [](json const& rope) { return json{{"rope_theta", 100}, {"rope_scaling", rope}}; };
  EXPECT_EQ(read_with(kin("llama"), with({{"type", "linear"}, {"factor", 3}})).rope_divisors, std::vector<double>(8, 3));
  auto const dynamic = read_with(kin("llama"), with({{"type", "dynamic"}, {"factor", 3}}));
  EXPECT_EQ(dynamic, read_with(kin("llama"), {{"rope_theta", 100}}));
  // Frequency i turns 4096 / (2 pi) 100^(-i/8) times: 32 times at i = 5.2, cut to 5, and once at i = 11.3, cut to 12.
  auto const yarn =
      read_with(kin("qwen2"), with({{"type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 4096}}));
  ASSERT_EQ(yarn.rope_divisors.size(), 8);
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(yarn.rope_divisors[i], 1) << i;
  EXPECT_NEAR(yarn.rope_divisors[6], 1 / (1.0 / 7 / 4 + 6.0 / 7), 1e-12);
  EXPECT_NEAR(yarn.rope_divisors[7], 1 / (2.0 / 7 / 4 + 5.0 / 7), 1e-12);
  EXPECT_NEAR(yarn.rope_amplitude, 0.1 * std::log(4) + 1, 1e-12);
  EXPECT_EQ(yarn.positions, 4096);
  EXPECT_THAT(complaint(kin("llama"), {{"rope_theta", 0.5}, {"rope_scaling", {{"type", "yarn"}, {"factor", 4.0}}}}),
              HasSubstr("a base above 1"));
  EXPECT_THAT(complaint(kin("llama"), with({{"type", "linear"}})), HasSubstr("'factor' is missing"));
}

TEST(Config, ReadsTheNewerRopeParameters) {
  auto config = llama_3b();
  auto rope = config["rope_scaling"];
  rope["rope_theta"] = config["rope_theta"];
  config.erase("rope_theta");
  config.erase("rope_scaling");
  config["rope_parameters"] = rope;
  EXPECT_EQ(read(config), read(llama_3b()));
  config["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 1234.5}};
  EXPECT_FALSE(read(config).rope_scaling.has_value());
  EXPECT_EQ(read(config).rope_theta, 1234.5);
}

TEST(Config, TheBaseInsideOfTheOlderObjectCounts) {
  json const rope{{"rope_type", "default"}, {"rope_theta", 500}};
  EXPECT_EQ(read_with(kin("llama"), {{"rope_scaling", rope}}).rope_theta, 500);
  EXPECT_EQ(read_with(kin("llama"), {{"rope_scaling", rope}, {"rope_theta", 100}}).rope_theta, 500);
}

TEST(Config, ObjectsThatContradictEachOtherAboutRotationAreRefused) {
  json const linear{{"type", "linear"}, {"factor", 8}}, same{{"rope_type", "linear"}, {"factor", 8.0}, {"rope_theta", 100}};
  EXPECT_EQ(read_with(kin("llama"), {{"rope_scaling", linear}, {"rope_parameters", same}}),
            read_with(kin("llama"), {{"rope_parameters", same}}));
  json const none{{"rope_type", "default"}, {"rope_theta", 100}};
  EXPECT_THAT(complaint(kin("llama"), {{"rope_scaling", linear}, {"rope_parameters", none}}),
              HasSubstr("'rope_parameters' says something else"));
  EXPECT_THAT(complaint(kin("gemma3_text"), {{"rope_scaling", linear}, {"rope_parameters", {{"full_attention", none}}}}),
              HasSubstr("'rope_parameters' says something else"));
}

TEST(Config, OfSeveralEndTokensTakesTheFirst) {
  EXPECT_EQ(read_with(llama_3b(), {{"eos_token_id", {128001, 128008}}}).eos, 128001);
}

TEST(Config, IdsOfAnotherVocabularyAreNoTokens) {
  for (json const& id : {json(50257), json(-1), json::array()})
    EXPECT_EQ(read_with(gpt2_xl(), {{"eos_token_id", id}}).eos, std::nullopt);
  EXPECT_EQ(read_with(gpt2_xl(), {{"bos_token_id", 50257}}).bos, std::nullopt);
}

TEST(Config, OtherNamesOfGpt2sSizes) {
  auto other = gpt2_xl();
  for (auto const& [own, name] :
       {std::pair{"n_layer", "num_hidden_layers"}, std::pair{"n_embd", "hidden_size"}, std::pair{"n_head", "num_attention_heads"},
        std::pair{"n_positions", "max_position_embeddings"}}) {
    other[name] = other[own];
    other.erase(own);
  }
  EXPECT_EQ(read(other), read(gpt2_xl()));
}

TEST(Config, RefusesWhatIsNotSupportedAndSaysWhatIs) {
  EXPECT_THAT(complaint(gpt2_xl(), {{"model_type", "mamba"}}),
              AllOf(HasSubstr("config.json: 'model_type' is \"mamba\""), HasSubstr("gpt2, gpt_neox, gptj, llama, mistral")));
  EXPECT_THAT(complaint(gpt2_xl(), {{"model_type", nullptr}}), HasSubstr("'model_type' is missing"));
  EXPECT_THAT(complaint(gpt2_xl(), {{"activation_function", "swiglu"}}),
              AllOf(HasSubstr("\"swiglu\""), HasSubstr("gelu, gelu_fast, gelu_new")));
  EXPECT_THAT(complaint(gpt2_xl(), {{"add_cross_attention", true}}), HasSubstr("add_cross_attention"));
  EXPECT_THAT(complaint(llama_3b(), {{"hidden_act", "gelu"}}), HasSubstr("silu"));
  EXPECT_THAT(complaint(llama_3b(), {{"rope_scaling", {{"type", "proportional"}, {"factor", 2.0}}}}),
              AllOf(HasSubstr("'rope_scaling': 'type' is \"proportional\""),
                    HasSubstr("default, dynamic, linear, llama3, longrope, yarn")));
  EXPECT_THAT(complaint(llama_3b(), {{"partial_rotary_factor", 0.5}}), HasSubstr("partial_rotary_factor"));
  EXPECT_THAT(complaint(llama_3b(), {{"quantization_config", {{"bits", 4}}}}), HasSubstr("quantised"));
  EXPECT_EQ(read_with(llama_3b(), {{"quantization_config", json::object()}}), read(llama_3b()));
}

TEST(Config, RefusesNonsense) {
  for (auto const* field : {"n_layer", "n_embd", "n_head", "n_positions", "vocab_size", "n_inner"}) {
    for (json const& value :
         {json(0), json(-1), json("12"), json(1.5), json(true), json::array(), json(UINT64_MAX), json(INT64_MAX)})
      EXPECT_THAT(complaint(gpt2_xl(), {{field, value}}), HasSubstr(std::string("'") + field + "' is " + value.dump())) << field;
  }
  EXPECT_THAT(complaint(gpt2_xl(), {{"n_head", 24}}), HasSubstr("must divide n_embd, which is 1600"));
  EXPECT_THAT(complaint(gpt2_xl(), {{"layer_norm_epsilon", 0}}), HasSubstr("above 0"));
  EXPECT_THAT(complaint(gpt2_xl(), {{"layer_norm_epsilon", "small"}}), HasSubstr("above 0"));
  EXPECT_THAT(complaint(gpt2_xl(), {{"tie_word_embeddings", 1}}), HasSubstr("true or false"));
  EXPECT_THAT(complaint(gpt2_xl(), {{"activation_function", 3}}), HasSubstr("a text"));
  EXPECT_THAT(complaint(gpt2_xl(), {{"bos_token_id", "x"}}), HasSubstr("token id"));
  EXPECT_THAT(complaint(llama_3b(), {{"eos_token_id", {"x"}}}), HasSubstr("token id"));
  EXPECT_THAT(complaint(llama_3b(), {{"num_key_value_heads", 7}}), HasSubstr("must divide num_attention_heads, which is 24"));
  EXPECT_THAT(complaint(llama_3b(), {{"head_dim", 127}}), HasSubstr("even"));
  EXPECT_THAT(complaint(llama_3b(), {{"head_dim", nullptr}, {"num_attention_heads", 40}}), HasSubstr("divide hidden_size"));
  EXPECT_THAT(complaint(llama_3b(), {{"rope_theta", -1}}), HasSubstr("above 0"));
  EXPECT_THAT(complaint(llama_3b(), {{"rope_scaling", "llama3"}}), HasSubstr("object"));
  EXPECT_THAT(complaint(llama_3b(), {{"rope_scaling", {{"rope_type", "llama3"}, {"factor", 8}}}}),
              HasSubstr("'low_freq_factor' is missing"));
  auto flat = llama_3b()["rope_scaling"];
  flat["low_freq_factor"] = flat["high_freq_factor"];
  EXPECT_THAT(complaint(llama_3b(), {{"rope_scaling", flat}}), HasSubstr("below high_freq_factor"));
}

TEST(Config, RefusesWhatIsNoJsonObject) {
  for (auto const* text : {"", "{", "[]", "7", "{\"model_type\": \"gpt2\", \"model_type\": \"llama\"}", "{\"a\": 1e999}", "\xff"})
    EXPECT_THROW(read_text(text), UserError) << text;
  test::TemporaryFolder const empty;
  EXPECT_THROW(read_model_config(empty.path()), UserError);
}

TEST(Config, DamageGivesAUserErrorOrAConfigThatFitsTogether) {
  test::TemporaryFolder const folder;
  RandomStream random{6};
  int refused = 0;
  for (int trial = 0; trial < 400; ++trial) {
    auto text = (trial % 2 ? llama_3b() : trial % 4 ? gpt2_xl() : gemma3_4b()).dump();
    if (trial % 5 == 0) text.resize(random.below(text.size()));
    for (auto flips = random.below(3); flips > 0 && !text.empty(); --flips)
      text[random.below(text.size())] ^= static_cast<char>(1 + random.below(127));
    std::ofstream(folder / "config.json") << text;
    try {
      auto const config = read_model_config(folder.path());
      EXPECT_EQ(config.heads % config.kv_heads, 0);
      EXPECT_GT(config.layers * config.hidden * config.inner * config.head_dim * config.positions, 0);
    } catch (UserError const&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 100);
  EXPECT_LT(refused, 400);
}

}  // namespace
}  // namespace onemask
