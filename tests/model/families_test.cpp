#include "model/tiny_families.hpp"
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

TEST(Families, FingerprintsTellThemApart) {
  auto const fingerprint = [](TinyCheckpoint const& checkpoint) { return checkpoint.load()->fingerprint(); };
  auto const without_window = as_kin(tiny_llama(), R"("model_type": "mistral", "sliding_window": null)");
  EXPECT_NE(fingerprint(tiny_mistral()), fingerprint(without_window));
  EXPECT_NE(fingerprint(without_window), fingerprint(tiny_llama()));
}

}  // namespace
}  // namespace onemask::test
