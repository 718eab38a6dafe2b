#include "support/golden_sources.hpp"
#include <onemask/checkpoint/checkpoint.hpp>
#include <onemask/core/hash.hpp>

#include <map>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

/// What is known of a checkpoint without our reader.
struct Known {
  std::string sha256;  ///< of model.safetensors
  std::int64_t layers, hidden, heads, kv_heads, head_dim, inner, vocabulary, positions;
  std::size_t tensors;
  std::int64_t parameters;
};

std::map<std::string, Known> const known{
    {"world_gpt2",
     {"c1d1a13146675e924615b8a066a1be67d3699b6d04f545696ff07122e9d6882f", 6, 256, 4, 4, 64, 1024, 4096, 128, 76, 5'820'416}},
    {"cf_gpt2",
     {"636cf8ce741f07be1f22f3a19dd71a27f5cf487ad718f92c29eb3dd6649cec20", 8, 320, 5, 5, 64, 1280, 50257, 256, 100, 26'028'480}},
    {"tiny_llama",
     {"1896270e5f66ddf8fd24f0d44c17c669a3a5679a054ad204ad13aa06aba82dbf", 3, 32, 4, 2, 8, 56, 460, 128, 29, 40'288}},
    {"cf_llama",
     {"c649cf51370d25fd6b42cd5324ee3b6efccaea0d2fb7a7425ac9e30499435205", 8, 256, 8, 4, 32, 704, 50257, 256, 74, 18'768'384}},
};

class ReferenceCheckpoint : public testing::TestWithParam<GoldenSource> {};

TEST_P(ReferenceCheckpoint, Opens) {
  auto const& expected = known.at(GetParam().name);
  EXPECT_EQ(sha256_file(GetParam().checkpoint / "model.safetensors"), expected.sha256);
  auto const checkpoint = Checkpoint::open(GetParam().checkpoint);
  auto const& config = checkpoint.config();
  EXPECT_EQ(config.layers, expected.layers);
  EXPECT_EQ(config.hidden, expected.hidden);
  EXPECT_EQ(config.heads, expected.heads);
  EXPECT_EQ(config.kv_heads, expected.kv_heads);
  EXPECT_EQ(config.head_dim, expected.head_dim);
  EXPECT_EQ(config.inner, expected.inner);
  EXPECT_EQ(config.vocabulary, expected.vocabulary);
  EXPECT_EQ(config.positions, expected.positions);
  EXPECT_TRUE(config.tied_head);
  EXPECT_EQ(config.rope_scaling.has_value(), GetParam().name == "tiny_llama");
  EXPECT_EQ(checkpoint.names().size(), expected.tensors);
  EXPECT_EQ(checkpoint.bytes(), static_cast<std::size_t>(2 * expected.parameters));

  bool const gpt2 = config.family == "gpt2";
  auto const embedding = checkpoint.tensor(gpt2 ? "wte.weight" : "embed_tokens.weight", {config.vocabulary, config.hidden});
  EXPECT_EQ(embedding.scalar_type(), gpt2 ? at::kHalf : at::kBFloat16);
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    auto const number = std::to_string(layer);
    auto const projection = gpt2 ? checkpoint.tensor("h." + number + ".mlp.c_proj.weight", {config.inner, config.hidden})
                                 : checkpoint.tensor("layers." + number + ".mlp.down_proj.weight", {config.hidden, config.inner});
    EXPECT_TRUE(at::isfinite(projection).all().item<bool>());
    if (!gpt2)
      checkpoint.tensor("layers." + number + ".self_attn.k_proj.weight", {config.kv_heads * config.head_dim, config.hidden});
  }
}

INSTANTIATE_TEST_SUITE_P(Gpt2, ReferenceCheckpoint, testing::ValuesIn(golden_sources()), testing::PrintToStringParamName());
INSTANTIATE_TEST_SUITE_P(Llama, ReferenceCheckpoint, testing::ValuesIn(golden_llamas()), testing::PrintToStringParamName());

}  // namespace
}  // namespace onemask::test
