#include "support/complaint.hpp"
#include "support/temporary_folder.hpp"
#include <onemask/checkpoint/checkpoint.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>

#include <string>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string const config =
    R"({"model_type": "gpt2", "n_layer": 1, "n_embd": 4, "n_head": 2, "n_positions": 8, "vocab_size": 10})";

using Tensors = std::map<std::string, at::Tensor>;

class CheckpointTest : public testing::Test {
 protected:
  CheckpointTest() { write("config.json", config); }

  void write(std::string const& name, std::string const& content) { write_file_atomically(folder_ / name, content); }
  void write(std::string const& name, Tensors const& tensors) { write(name, write_safetensors(tensors, {})); }
  void write_index(std::string const& weight_map) {
    write("model.safetensors.index.json", R"({"metadata": {}, "weight_map": )" + weight_map + "}");
  }
  Checkpoint open() const { return Checkpoint::open(folder_.path()); }

  std::string complaint() const {
    return test::complaint_of([&] { open(); });
  }

  at::Tensor const wte_ = at::arange(40, at::kFloat).view({10, 4}), bias_ = at::ones({4}).to(at::kBFloat16);
  test::TemporaryFolder folder_;
};

TEST_F(CheckpointTest, FindsTensorsWithAndWithoutThePrefix) {
  for (std::string const prefix : {"transformer.", ""}) {
    write("model.safetensors", Tensors{{prefix + "wte.weight", wte_}, {prefix + "h.0.mlp.c_proj.bias", bias_}});
    auto const checkpoint = open();
    EXPECT_EQ(checkpoint.config().hidden, 4);
    EXPECT_EQ(checkpoint.folder(), folder_.path());
    EXPECT_THAT(checkpoint.names(), ElementsAre(prefix + "h.0.mlp.c_proj.bias", prefix + "wte.weight"));
    EXPECT_EQ(checkpoint.bytes(), 40U * 4 + 4 * 2);
    for (std::string const asked : {"transformer.", ""}) {
      EXPECT_TRUE(checkpoint.contains(asked + "wte.weight"));
      EXPECT_TRUE(at::equal(checkpoint.tensor(asked + "wte.weight", {10, 4}), wte_));
      EXPECT_TRUE(at::equal(checkpoint.tensor(asked + "h.0.mlp.c_proj.bias", {4}), bias_));
    }
    EXPECT_FALSE(checkpoint.contains("wte"));
  }
}

TEST_F(CheckpointTest, WrongShapesTypesAndNamesAreNamed) {
  write("model.safetensors", Tensors{{"transformer.wte.weight", wte_}, {"wpe.weight", at::zeros({8, 4}, at::kChar)}});
  auto const checkpoint = open();
  try {
    checkpoint.tensor("wte.weight", {4, 10});
    FAIL();
  } catch (ShapeError const& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("'transformer.wte.weight'"), HasSubstr("[10, 4]"), HasSubstr("[4, 10]")));
  }
  EXPECT_THROW(checkpoint.tensor("wpe.weight", {8, 4}), UserError);
  try {
    checkpoint.tensor("transformer.wte.wieght", {10, 4});
    FAIL();
  } catch (UserError const& error) {
    EXPECT_THAT(error.what(), HasSubstr("Did you mean 'transformer.wte.weight'?"));
  }
}

TEST_F(CheckpointTest, TheFingerprintIsOfContentNotOfFiles) {
  Tensors const tensors{{"wte.weight", wte_}, {"b", bias_}};
  write("model.safetensors", tensors);
  auto const whole = open().fingerprint();
  EXPECT_EQ(whole.size(), 64U);

  std::filesystem::remove(folder_ / "model.safetensors");
  write("one.safetensors", Tensors{{"b", bias_}});
  write("two.safetensors", Tensors{{"wte.weight", wte_}});
  write_index(R"({"b": "one.safetensors", "wte.weight": "two.safetensors"})");
  EXPECT_EQ(open().fingerprint(), whole);

  auto changed = wte_.clone();
  changed[9][3] = 0;
  write("two.safetensors", Tensors{{"wte.weight", changed}});
  EXPECT_NE(open().fingerprint(), whole);

  write("two.safetensors", Tensors{{"wte.weight", wte_}});
  EXPECT_EQ(open().fingerprint(), whole);
  write("config.json", config.substr(0, config.size() - 1) + R"(, "activation_function": "relu"})");
  EXPECT_NE(open().fingerprint(), whole);
}

TEST_F(CheckpointTest, ReadsEachTensorFromTheShardThatTheIndexNames) {
  write("one.safetensors", Tensors{{"b", bias_}, {"wte.weight", wte_ + 1}});
  write("two.safetensors", Tensors{{"wte.weight", wte_}});
  write_index(R"({"b": "one.safetensors", "wte.weight": "two.safetensors"})");
  auto const checkpoint = open();
  EXPECT_TRUE(at::equal(checkpoint.tensor("wte.weight", {10, 4}), wte_));
  EXPECT_EQ(checkpoint.bytes(), 40U * 4 + 4 * 2);
}

TEST_F(CheckpointTest, RefusesIndicesThatLeadNowhereOrElsewhere) {
  write("one.safetensors", Tensors{{"b", bias_}});
  write_index(R"({"b": "two.safetensors"})");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("'two.safetensors'"), HasSubstr("missing")));
  write_index(R"({"c": "one.safetensors"})");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("'c'"), HasSubstr("not in 'one.safetensors'")));
  for (auto const* elsewhere : {R"("../one.safetensors")", R"("/one.safetensors")", R"("a\\one.safetensors")", R"("one.bin")",
                                R"("one.safetensors\u0000")", R"("x\u0000.safetensors")", R"("")", "1", "null"}) {
    write_index(std::string(R"({"b": )") + elsewhere + "}");
    EXPECT_THAT(complaint(), HasSubstr("not the name of a .safetensors file")) << elsewhere;
  }
  write("model.safetensors.index.json", R"({"weight_map": []})");
  EXPECT_THAT(complaint(), HasSubstr("weight_map"));
  write("model.safetensors.index.json", R"({"weight_map": {"b": "one.safetensors", "b": "one.safetensors"}})");
  EXPECT_THAT(complaint(), HasSubstr("twice"));
}

TEST_F(CheckpointTest, NeverRunsAPickle) {
  write("pytorch_model.bin", "anything");
  EXPECT_THAT(complaint(),
              AllOf(HasSubstr("pickle"), HasSubstr("onemask does not read it"), HasSubstr("safe_serialization=True")));
}

TEST_F(CheckpointTest, AnUnembeddingThatIsTheEmbeddingMustBeTheSame) {
  write("model.safetensors", Tensors{{"transformer.wte.weight", wte_}, {"lm_head.weight", wte_.clone()}});
  EXPECT_EQ(complaint(), "");
  write("model.safetensors", Tensors{{"wte.weight", wte_}, {"lm_head.weight", wte_ + 1}});
  EXPECT_THAT(complaint(), AllOf(HasSubstr("tie_word_embeddings"), HasSubstr("'lm_head.weight' differs from 'wte.weight'")));
  auto untied = config;
  write("config.json", untied.insert(1, R"("tie_word_embeddings": false, )"));
  EXPECT_EQ(complaint(), "");
}

TEST_F(CheckpointTest, RefusesFoldersWithoutAModel) {
  EXPECT_THAT(complaint(), HasSubstr("neither model.safetensors nor"));
  std::filesystem::create_symlink("blobs/abc", folder_ / "model.safetensors");
  EXPECT_THAT(complaint(), HasSubstr("model.safetensors is a link to 'blobs/abc', which is missing"));
  std::filesystem::remove(folder_ / "model.safetensors");
  write("model-00001-of-00002.safetensors", Tensors{{"wte.weight", wte_}});
  EXPECT_THAT(complaint(),
              AllOf(HasSubstr("but model-00001-of-00002.safetensors"), HasSubstr("fetch model.safetensors.index.json")));
  write("model.safetensors", "<!DOCTYPE html><html></html>");
  EXPECT_THAT(complaint(), HasSubstr("a web page"));
  EXPECT_THROW(Checkpoint::open(folder_ / "absent"), UserError);
  write("model.safetensors", "short");
  EXPECT_THAT(complaint(), HasSubstr("model.safetensors"));
}

}  // namespace
}  // namespace onemask
