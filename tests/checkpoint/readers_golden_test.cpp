#include "support/shared_files.hpp"
#include <onemask/checkpoint/checkpoint.hpp>
#include <onemask/core/hash.hpp>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

std::filesystem::path checkpoints() {
  return *test::shared_folder() / "checkpoints";
}

class ReferenceCheckpoint : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::shared_folder()) GTEST_SKIP() << "the folder of reference files is absent; set ONEMASK_SHARED to it";
  }
};

TEST_F(ReferenceCheckpoint, Gpt2Opens) {
  EXPECT_EQ(sha256_file(checkpoints() / "cf-gpt2" / "model.safetensors"),
            "636cf8ce741f07be1f22f3a19dd71a27f5cf487ad718f92c29eb3dd6649cec20");
  auto const checkpoint = Checkpoint::open(checkpoints() / "cf-gpt2");
  auto const& config = checkpoint.config();
  EXPECT_EQ(config.layers, 8);
  EXPECT_EQ(config.inner, 1280);
  EXPECT_EQ(checkpoint.names().size(), 2U + 8 * 12 + 2);
  EXPECT_EQ(checkpoint.bytes(), 52'066'808U - 9840 - 8);
  EXPECT_EQ(checkpoint.tensor("wte.weight", {config.vocabulary, config.hidden}).scalar_type(), at::kHalf);
  checkpoint.tensor("transformer.wpe.weight", {config.positions, config.hidden});
  for (int layer = 0; layer < 8; ++layer) {
    auto const weight = checkpoint.tensor("h." + std::to_string(layer) + ".mlp.c_proj.weight", {config.inner, config.hidden});
    EXPECT_TRUE(at::isfinite(weight).all().item<bool>());
  }
}

TEST_F(ReferenceCheckpoint, LlamaOpens) {
  EXPECT_EQ(sha256_file(checkpoints() / "cf-llama" / "model.safetensors"),
            "c649cf51370d25fd6b42cd5324ee3b6efccaea0d2fb7a7425ac9e30499435205");
  auto const checkpoint = Checkpoint::open(checkpoints() / "cf-llama");
  auto const& config = checkpoint.config();
  EXPECT_EQ(config.kv_heads, 4);
  EXPECT_EQ(config.head_dim, 32);
  EXPECT_TRUE(config.tied_head);
  EXPECT_FALSE(config.rope_scaling.has_value());
  EXPECT_EQ(checkpoint.bytes(), 37'544'888U - 8112 - 8);
  EXPECT_EQ(checkpoint.tensor("model.embed_tokens.weight", {config.vocabulary, config.hidden}).scalar_type(), at::kBFloat16);
  for (int layer = 0; layer < 8; ++layer) {
    auto const scope = "layers." + std::to_string(layer);
    checkpoint.tensor(scope + ".mlp.down_proj.weight", {config.hidden, config.inner});
    checkpoint.tensor(scope + ".self_attn.k_proj.weight", {config.kv_heads * config.head_dim, config.hidden});
  }
}

}  // namespace
}  // namespace onemask
