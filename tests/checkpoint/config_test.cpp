#include "support/complaint.hpp"
#include "support/temporary_folder.hpp"
#include <onemask/checkpoint/config.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/random.hpp>

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
  EXPECT_THAT(complaint(qwen_7b(), {{"use_sliding_window", true}}), HasSubstr("'use_sliding_window' is true"));
  EXPECT_THAT(complaint(qwen_7b(), {{"rope_scaling", {{"type", "yarn"}, {"factor", 4.0}}}}), HasSubstr("\"yarn\""));
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

TEST(Config, OfSeveralEndTokensTakesTheFirst) {
  EXPECT_EQ(read_with(llama_3b(), {{"eos_token_id", {128001, 128008}}}).eos, 128001);
}

TEST(Config, RefusesWhatIsNotSupportedAndSaysWhatIs) {
  EXPECT_THAT(complaint(gpt2_xl(), {{"model_type", "mamba"}}),
              AllOf(HasSubstr("config.json: 'model_type' is \"mamba\""), HasSubstr("gpt2, gptj, llama, mistral, qwen2")));
  EXPECT_THAT(complaint(gpt2_xl(), {{"model_type", nullptr}}), HasSubstr("'model_type' is missing"));
  EXPECT_THAT(complaint(gpt2_xl(), {{"activation_function", "swiglu"}}),
              AllOf(HasSubstr("\"swiglu\""), HasSubstr("gelu, gelu_new")));
  EXPECT_THAT(complaint(gpt2_xl(), {{"add_cross_attention", true}}), HasSubstr("add_cross_attention"));
  EXPECT_THAT(complaint(llama_3b(), {{"hidden_act", "gelu"}}), HasSubstr("silu"));
  EXPECT_THAT(complaint(llama_3b(), {{"rope_scaling", {{"type", "dynamic"}, {"factor", 2.0}}}}),
              AllOf(HasSubstr("'rope_scaling': 'type' is \"dynamic\""), HasSubstr("default, llama3")));
  EXPECT_THAT(complaint(llama_3b(), {{"partial_rotary_factor", 0.5}}), HasSubstr("partial_rotary_factor"));
  EXPECT_THAT(complaint(llama_3b(), {{"quantization_config", json::object()}}), HasSubstr("quantised"));
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
  EXPECT_THAT(complaint(gpt2_xl(), {{"bos_token_id", 50257}}), HasSubstr("token id"));
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
    auto text = (trial % 2 ? llama_3b() : gpt2_xl()).dump();
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
