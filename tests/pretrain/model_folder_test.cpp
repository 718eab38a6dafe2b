#include "pretrain/model_folder.hpp"

#include "pretrain/tiny_body.hpp"
#include <onemask/core/error.hpp>

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(Weights, BeginAsGpt2Does) {
  auto config = tiny_config("gpt2");
  config.hidden = 64;
  config.head_dim = 32;
  config.inner = 256;
  config.layers = 8;
  auto const weights = weights_of(config);
  auto const flat = initial_weights(weights, 1);
  // 60 and 48 rows of embeddings, 8 blocks of 12 h² + 13 h numbers, the last norm.
  EXPECT_EQ(flat.numel(), 108 * 64 + 8 * (12 * 64 * 64 + 13 * 64) + 2 * 64);
  for (auto const& weight : weights) {
    auto const view = view_of(flat, weight);
    if (weight.kind == Weight::Kind::norm) {
      EXPECT_TRUE(view.eq(1).all().item<bool>()) << weight.name;
    } else if (weight.kind == Weight::Kind::bias || weight.kind == Weight::Kind::norm_bias) {
      EXPECT_EQ(view.count_nonzero().item<std::int64_t>(), 0) << weight.name;
    } else {
      bool const residual = weight.name.ends_with("c_proj.weight");
      double const expected = weight.kind == Weight::Kind::positions ? 0.01 : residual ? 0.02 / std::sqrt(16.0) : 0.02;
      EXPECT_NEAR(view.std().item<double>(), expected, 0.06 * expected) << weight.name;
      EXPECT_LT(std::abs(view.mean().item<double>()), 0.06 * expected) << weight.name;
    }
  }
  EXPECT_TRUE(flat.equal(initial_weights(weights, 1)));
  EXPECT_FALSE(flat.equal(initial_weights(weights, 2)));
}

class ModelFolder : public testing::TestWithParam<std::string> {
 protected:
  void write(at::Tensor const& flat, std::string const& dtype) const {
    write_model(config_, weights_, flat, dtype, folder_.path());
  }

  TemporaryFolder folder_;
  ModelConfig config_ = tiny_config(GetParam());
  std::vector<Weight> weights_ = weights_of(config_);
};

TEST_P(ModelFolder, ConfigIsReadBackAsItWas) {
  write(initial_weights(weights_, 1), "float16");
  EXPECT_EQ(read_model_config(folder_.path()), config_);
}

TEST_P(ModelFolder, EqualWeightsGiveEqualBytes) {
  write(random_weights(weights_, 1), "bfloat16");
  auto const first = read_file(folder_ / "model.safetensors");
  write(random_weights(weights_, 1), "bfloat16");
  EXPECT_EQ(read_file(folder_ / "model.safetensors"), first);
  EXPECT_LT(first.size(), 2 * static_cast<std::size_t>(weights_.back().offset + weights_.back().count) + 8192);
}

TEST_P(ModelFolder, AWeightBeyondHalfPrecisionIsNamed) {
  auto const flat = initial_weights(weights_, 1);
  view_of(flat, weights_[3]).flatten()[2] = 70'000;
  try {
    write(flat, "float16");
    FAIL();
  } catch (RunError const& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr(weights_[3].name), HasSubstr("float16"), HasSubstr("training.dtype")));
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "model.safetensors"));
  write(flat, "float32");
}

INSTANTIATE_TEST_SUITE_P(Families, ModelFolder, testing::Values("gpt2", "llama"), [](auto const& test) { return test.param; });

TEST(CopyTokenizer, TakesItsFilesAndNoOthers) {
  TemporaryFolder const from, to;
  write_file_atomically(from / "vocab.json", "{}");
  write_file_atomically(from / "merges.txt", "#version\n");
  write_file_atomically(from / "config.json", "{}");
  copy_tokenizer(from.path(), to.path());
  EXPECT_EQ(read_file(to / "merges.txt"), "#version\n");
  EXPECT_TRUE(std::filesystem::exists(to / "vocab.json"));
  EXPECT_FALSE(std::filesystem::exists(to / "config.json"));
  std::filesystem::remove(from / "vocab.json");
  EXPECT_THROW(copy_tokenizer(from.path(), to.path()), UserError);
}

}  // namespace
}  // namespace onemask::test
