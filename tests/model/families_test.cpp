#include "support/tiny_families.hpp"
#include <onemask/core/error.hpp>
#include <onemask/model/pass.hpp>

#include <cmath>

#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

/// The residual stream after layer 0.
at::Tensor after_layer_0(CausalLM const& model, std::vector<std::int64_t> const& row) {
  c10::NoGradGuard const no_gradients;
  auto const packed = pack_rows({row}, at::kCPU);
  Pass const pass(model, packed.layout);
  return pass.run(0, 0, pass.embed(packed.ids));
}

TEST(Mistral, APositionAttendsToItselfAndThoseBeforeItInTheWindow) {
  auto const model = tiny_mistral().load();
  auto row = random_ids(10, 1);
  auto const before = after_layer_0(*model, row);
  row[4] = (row[4] + 1) % tiny_vocabulary;
  auto const change = (after_layer_0(*model, row) - before).abs().amax(1);
  for (std::int64_t place = 0; place < 10; ++place) {
    if (place >= 4 && place <= 6) {
      EXPECT_GT(change[place].item<double>(), 1e-3) << place;
    } else {
      EXPECT_LT(change[place].item<double>(), 1e-6) << place;
    }
  }
}

TEST(Mistral, AWindowAsLongAsTheTextIsNone) {
  auto const row = random_ids(10, 1);
  auto const windowed = as_kin(tiny_llama(), R"("model_type": "mistral", "sliding_window": 10)").load();
  EXPECT_TRUE(at::equal(after_layer_0(*windowed, row), after_layer_0(*tiny_llama().load(), row)));
  EXPECT_GT(largest_difference(after_layer_0(*tiny_mistral().load(), row), after_layer_0(*windowed, row)), 1e-3);
}

TEST(Qwen2, QueriesKeysAndValuesHaveBiases) {
  auto checkpoint = tiny_qwen2();
  auto const model = checkpoint.load();
  auto const nothing = at::zeros({1, 16}), start = index_tensor({0}, at::kCPU);  // at position 0 nothing is rotated
  auto const bias = [&](std::string const& name) { return checkpoint.tensors.at("model.layers.1.self_attn." + name + ".bias"); };
  EXPECT_LT(largest_difference(model->queries(1, nothing, start).flatten(), bias("q_proj") / 2), 1e-6);  // heads of 4
  auto const [key, value] = model->keys_values(1, nothing, start);
  EXPECT_TRUE(at::equal(key.flatten(), bias("k_proj")));
  EXPECT_TRUE(at::equal(value.flatten(), bias("v_proj")));
  checkpoint.tensors.erase("model.layers.2.self_attn.k_proj.bias");
  EXPECT_THROW(checkpoint.load(), UserError);
}

TEST(GptJ, RotatesPairsOfNeighboursAtTheStartOfEachHead) {
  auto checkpoint = tiny_gptj();
  checkpoint.tensors["transformer.h.0.attn.q_proj.weight"] = at::eye(16);
  auto const model = checkpoint.load();
  // Of each head of 8, entries 0 and 1 turn by 1 per position, 2 and 3 by 1/100, the others by nothing.
  auto const input = at::zeros({5, 16});
  for (std::int64_t token = 0; token < 5; ++token) input[token][std::vector<std::int64_t>{0, 1, 2, 11, 12}[token]] = 1;
  auto const queries = model->queries(0, input, index_tensor({3, 3, 3, 50, 50}, at::kCPU)).reshape({5, 16}) * std::sqrt(8.0);
  auto const expected = at::zeros({5, 16});
  expected[0][0] = std::cos(3.0);
  expected[0][1] = std::sin(3.0);
  expected[1][0] = -std::sin(3.0);
  expected[1][1] = std::cos(3.0);
  expected[2][2] = std::cos(0.03);
  expected[2][3] = std::sin(0.03);
  expected[3][10] = -std::sin(0.5);
  expected[3][11] = std::cos(0.5);
  expected[4][12] = 1;
  EXPECT_LT(largest_difference(queries, expected), 1e-6);
}

TEST(GptJ, TheMlpReadsWhatAttentionReads) {
  auto const model = tiny_gptj().load();
  auto const before = random_tensor({4, 16}, 1);
  EXPECT_TRUE(at::equal(model->mlp_key(1, before, random_tensor({4, 16}, 2)), model->mlp_key(1, before, before)));
  EXPECT_GT(largest_difference(model->mlp_key(1, random_tensor({4, 16}, 2), before), model->mlp_key(1, before, before)), 1e-2);
}

TEST(GptJ, LogitsHaveTheHeadsBias) {
  auto const checkpoint = tiny_gptj();
  auto const model = checkpoint.load();
  EXPECT_TRUE(at::equal(model->logits(at::zeros({1, 16}))[0], checkpoint.tensors.at("lm_head.bias")));
}

TEST(GptJ, NamesMayLackThePrefix) {
  auto bare = tiny_gptj();
  std::map<std::string, at::Tensor> tensors;
  for (auto const& [name, tensor] : bare.tensors) tensors[name.substr(name.starts_with("transformer.") ? 12 : 0)] = tensor;
  bare.tensors = tensors;
  auto const row = random_ids(6, 1);
  EXPECT_TRUE(at::equal(after_layer_0(*bare.load(), row), after_layer_0(*tiny_gptj().load(), row)));
}

/// Which of 10 tokens a layer changes when token 4 of its input does.
std::vector<bool> reach(CausalLM const& model, int layer) {
  c10::NoGradGuard const no_gradients;
  Pass const pass(model, pack_rows({random_ids(10, 1)}, at::kCPU).layout);
  auto const before = random_tensor({10, 16}, 2);
  auto after = before.clone();
  after[4] += random_tensor({16}, 3);
  auto const change = (pass.run(layer, layer, after) - pass.run(layer, layer, before)).abs().amax(1);
  std::vector<bool> reached;
  for (std::int64_t place = 0; place < 10; ++place) reached.push_back(change[place].item<double>() > 1e-6);
  return reached;
}

TEST(Families, SomeLayersHaveAWindow) {
  std::vector<bool> const all{false, false, false, false, true, true, true, true, true, true},
      three{false, false, false, false, true, true, true, false, false, false};
  for (auto const& [family, windowed] :
       std::vector<std::pair<std::string, std::vector<bool>>>{{"qwen3", {false, true, true}},
                                                              {"gemma2", {true, false, true}},
                                                              {"gemma3", {true, false, true}},
                                                              {"mistral", {true, true, true}},
                                                              {"olmo2", {false, false, false}}}) {
    auto const model = tiny_family(family).load();
    for (int layer = 0; layer < 3; ++layer) EXPECT_EQ(reach(*model, layer), windowed[layer] ? three : all) << family << layer;
  }
}

/// The last tokens of packed rows, with and without a past, in layers of both kinds.
TEST(Families, WantedTokensOfALayerWithAWindowSeeTheWindow) {
  c10::NoGradGuard const no_gradients;
  for (auto const* family : {"qwen3", "gemma2", "gemma3"}) {
    auto const model = tiny_family(family).load();
    auto const packed = pack_rows({random_ids(9, 1), random_ids(6, 2)}, at::kCPU);
    Pass const pass(*model, packed.layout);
    auto const start = pass.embed(packed.ids);
    auto const ends = want(packed.layout, {{-2, -1}, {-1}});
    for (int last : {0, 1, 2}) {
      auto const some = pass.run(0, last, start, ends.layout, ends.tokens);
      EXPECT_LT(largest_difference(some, pass.run(0, last, start).index_select(0, ends.tokens)), 1e-5) << family << last;
    }
  }
}

TEST(Qwen3, QueriesAndKeysOfEachHeadAreNormed) {
  auto const checkpoint = tiny_qwen3();
  auto const model = checkpoint.load();
  auto const input = random_tensor({1, 16}, 1), start = index_tensor({0}, at::kCPU);  // at position 0 nothing is rotated
  auto const expected = [&](std::string const& name, std::int64_t heads) {
    auto const& matrix = checkpoint.tensors.at("model.layers.1.self_attn." + name + "_proj.weight");
    auto const vectors = at::matmul(input, matrix.t()).view({heads, 8});
    return vectors / (vectors.square().mean(1, true) + 1e-6).sqrt() *
           checkpoint.tensors.at("model.layers.1.self_attn." + name + "_norm.weight");
  };
  EXPECT_LT(largest_difference(model->queries(1, input, start)[0], expected("q", 4) / std::sqrt(8.0)), 1e-6);
  EXPECT_LT(largest_difference(model->keys_values(1, input, start).key[0], expected("k", 2)), 1e-6);
}

TEST(Olmo2, QueriesOfAllHeadsAreNormedAsOneVector) {
  auto const checkpoint = tiny_olmo2();
  auto const model = checkpoint.load();
  auto const input = random_tensor({1, 16}, 1), start = index_tensor({0}, at::kCPU);
  auto const vector = at::matmul(input, checkpoint.tensors.at("model.layers.1.self_attn.q_proj.weight").t());
  auto const expected = vector / (vector.square().mean() + 1e-5).sqrt() *
                        checkpoint.tensors.at("model.layers.1.self_attn.q_norm.weight") / std::sqrt(8.0);
  EXPECT_LT(largest_difference(model->queries(1, input, start).view({1, 32}), expected), 1e-6);
  EXPECT_TRUE(at::equal(model->attention_input(1, input), input));  // no norm stands before attention
}

TEST(Gemma2, EmbeddingsAreMultipliedByARoundedRoot) {
  auto checkpoint = tiny_gemma2();
  auto const ids = index_tensor({70, 90}, at::kCPU);
  auto const rows = checkpoint.tensors.at("model.embed_tokens.weight").index_select(0, ids);
  EXPECT_TRUE(at::equal(checkpoint.load()->embed(ids, {}), rows * 4));  // the root of 16
  // In bfloat16 the root of 24, 4.89898, is 4.90625.
  c10::BFloat16 const root = static_cast<float>(std::sqrt(24.0));
  ASSERT_EQ(static_cast<float>(root), 4.90625F);
  auto const wide = TinyKin(R"("model_type": "gemma2")", 1, 64, 24).matrices().norms(gemma_norms(24), 0).checkpoint();
  auto const embedded = wide.load(at::kBFloat16)->embed(ids, {});
  auto const stored = wide.tensors.at("model.embed_tokens.weight").index_select(0, ids).to(at::kBFloat16);
  EXPECT_TRUE(at::equal(embedded, (stored.to(at::kFloat) * 4.90625).to(at::kBFloat16)));
  EXPECT_FALSE(at::equal(embedded, (stored.to(at::kFloat) * std::sqrt(24.0)).to(at::kBFloat16)));
}

TEST(Gemma2, NormsScaleByOneMoreThanTheirWeights) {
  auto const checkpoint = tiny_gemma2();
  auto const model = checkpoint.load();
  auto const x = random_tensor({3, 16}, 1);
  auto const normed = x / (x.square().mean(1, true) + 1e-6).sqrt();
  auto const with = [&](std::string const& name) { return normed * (1 + checkpoint.tensors.at(name + ".weight")); };
  EXPECT_LT(largest_difference(model->final_norm(x), with("model.norm")), 1e-5);
  EXPECT_LT(largest_difference(model->mlp_output(1, x), with("model.layers.1.post_feedforward_layernorm")), 1e-5);
  EXPECT_LT(largest_difference(model->attention_input(1, x), with("model.layers.1.input_layernorm")), 1e-5);
}

TEST(Gemma2, LogitsAreCapped) {
  auto const model = tiny_gemma2().load();
  auto const x = 3 * random_tensor({4, 16}, 1);
  auto const plain = at::matmul(x, model->head().t());
  EXPECT_GT(plain.abs().max().item<double>(), 8);
  EXPECT_LT(largest_difference(model->logits(x), 4 * at::tanh(plain / 4)), 1e-5);
}

TEST(Gemma3, LayersWithAWindowAreRotatedByOtherAngles) {
  auto checkpoint = tiny_gemma3();
  for (int layer : {0, 1}) {
    auto const scope = "model.layers." + std::to_string(layer) + ".self_attn.";
    checkpoint.tensors[scope + "k_norm.weight"] = at::zeros({8});
    checkpoint.tensors[scope + "k_proj.weight"] = at::cat({at::eye(8, 16), at::eye(8, 16)});
  }
  auto const model = checkpoint.load();
  auto input = at::zeros({1, 16});
  input[0][1] = 1;  // normed to the root of 8, and turned towards entry 5
  auto const angle = [&](int layer) {
    auto const key = model->keys_values(layer, input, index_tensor({7}, at::kCPU)).key[0][0];
    EXPECT_NEAR(key.norm().item<double>(), std::sqrt(8.0), 1e-4);
    return std::atan2(key[5].item<double>(), key[1].item<double>());
  };
  EXPECT_NEAR(angle(0), 7 * std::pow(20.0, -0.25) - 2 * M_PI * std::round(7 * std::pow(20.0, -0.25) / (2 * M_PI)), 1e-5);
  EXPECT_NEAR(angle(1), 7 * std::pow(500.0, -0.25) / 4, 1e-5);
}

TEST(Gemma3, TheTextModelOfAFolderWithImagesIsThatOfOneWithout) {
  auto const row = random_ids(6, 1);
  auto const expected = after_layer_0(*tiny_gemma3().load(), row);
  EXPECT_TRUE(at::equal(after_layer_0(*tiny_gemma3_with_images().load(), row), expected));
  auto newer = tiny_gemma3_with_images();  // as transformers 4.52 to 4.57 and 5 name it
  newer.tensors.clear();
  for (auto const& [name, tensor] : tiny_gemma3().tensors) newer.tensors["model.language_model." + name.substr(6)] = tensor;
  EXPECT_TRUE(at::equal(after_layer_0(*newer.load(), row), expected));
}

TEST(GptNeoX, QueriesKeysAndValuesOfAHeadStandTogether) {
  auto const checkpoint = tiny_gpt_neox();
  auto const model = checkpoint.load();
  auto const input = random_tensor({1, 16}, 1), start = index_tensor({0}, at::kCPU);
  auto const joint = (at::matmul(input, checkpoint.tensors.at("gpt_neox.layers.1.attention.query_key_value.weight").t()) +
                      checkpoint.tensors.at("gpt_neox.layers.1.attention.query_key_value.bias"))
                         .view({2, 3, 8});
  EXPECT_LT(largest_difference(model->queries(1, input, start)[0], joint.select(1, 0) / std::sqrt(8.0)), 1e-6);
  EXPECT_LT(largest_difference(model->keys_values(1, input, start).key[0], joint.select(1, 1)), 1e-6);
  EXPECT_LT(largest_difference(model->keys_values(1, input, start).value[0], joint.select(1, 2)), 1e-6);
}

TEST(GptNeoX, TheMlpReadsTheStreamBeforeOrBehindAttention) {
  auto checkpoint = tiny_gpt_neox();
  auto const a = random_tensor({4, 16}, 1), b = random_tensor({4, 16}, 2);
  auto const parallel = checkpoint.load();
  EXPECT_TRUE(at::equal(parallel->mlp_key(1, a, b), parallel->mlp_key(1, a, a)));
  checkpoint.config.replace(checkpoint.config.find("true}"), 5, "false}");
  auto const sequential = checkpoint.load();
  EXPECT_TRUE(at::equal(sequential->mlp_key(1, a, b), parallel->mlp_key(1, b, b)));
  EXPECT_NE(sequential->fingerprint(), parallel->fingerprint());
}

TEST(Phi3, ItsPositionsEndWhereOtherFactorsWouldBegin) {
  auto const model = tiny_phi3().load();
  EXPECT_EQ(model->config().positions, 64);
  EXPECT_THROW(model->queries(0, at::zeros({1, 16}), index_tensor({64}, at::kCPU)), std::exception);
  auto longer = tiny_phi3();
  longer.config.replace(longer.config.find("1.5]"), 4, "1.6]");
  EXPECT_NE(longer.load()->fingerprint(), model->fingerprint());
}

TEST(Families, FingerprintsTellThemApart) {
  auto const fingerprint = [](TinyCheckpoint const& checkpoint) { return checkpoint.load()->fingerprint(); };
  auto const without_window = as_kin(tiny_llama(), R"("model_type": "mistral", "sliding_window": null)");
  EXPECT_NE(fingerprint(tiny_mistral()), fingerprint(without_window));
  EXPECT_NE(fingerprint(without_window), fingerprint(tiny_llama()));
}

}  // namespace
}  // namespace onemask::test
