#include "support/complaint.hpp"
#include "support/tiny_families.hpp"
#include <onemask/checkpoint/checkpoint.hpp>
#include <onemask/edit/adapter.hpp>
#include <onemask/edit/edit.hpp>
#include <onemask/edit/finished_edit.hpp>
#include <onemask/edit/low_rank.hpp>

#include <cmath>
#include <functional>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace onemask::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

using NamedTensors = std::map<std::string, at::Tensor>;

/// A model in a folder, and finished edits beside it.
class FinishedEditTest : public testing::Test {
 protected:
  FinishedEditTest() : FinishedEditTest(tiny_gpt2()) {}
  explicit FinishedEditTest(TinyCheckpoint checkpoint) : tiny_(std::move(checkpoint)) {
    write_model("model", tiny_.tensors);
    original_.emplace(Checkpoint::open(folder_ / "model"));
    model_ = load_causal_lm(*original_, {at::kCPU, at::kFloat});
  }

  void write_model(std::string const& name, NamedTensors const& tensors) const {
    std::filesystem::create_directory(folder_ / name);
    TinyCheckpoint{tiny_.config, tensors}.write_to(folder_ / name);
  }
  void write_tensors(NamedTensors const& tensors) const {
    write_file_atomically(folder_ / "edit.safetensors", write_safetensors(tensors, {}));
  }

  FinishedEdit read(std::string const& name = "edit.safetensors") const {
    return read_finished_edit(folder_ / name, *original_, *model_);
  }
  template <class Error = UserError>
  std::string complaint(std::string const& name = "edit.safetensors") const {
    return complaint_of<Error>([&] { read(name); });
  }
  std::string complaint_about(NamedTensors const& tensors) const {
    write_tensors(tensors);
    return complaint();
  }

  /// The stored tensor of the layer's second projection.
  at::Tensor stored(int layer) const { return tiny_.tensors.at(model_->projection(layer).name); }
  std::string name(int layer) const { return model_->projection(layer).name; }

  TinyCheckpoint const tiny_;
  TemporaryFolder const folder_;
  std::optional<Checkpoint> original_;
  std::unique_ptr<CausalLM> model_;
};

/// An adapter of rank 2 in layer 0 and of rank 3 in layer 2, whose configuration tests change.
class AdapterTest : public FinishedEditTest {
 protected:
  AdapterTest() {
    changes_ = {{0, random_tensor({2, 16}, 1), random_tensor({2, 64}, 2), {}},
                {2, random_tensor({3, 16}, 3), random_tensor({3, 64}, 4), {}}};
    parts_ = write_adapter(*model_, changes_, {"models/tiny"}, folder_ / "lora");
    config_ = nlohmann::json::parse(read_file(folder_ / "lora" / adapter_config_file));
  }

  std::string complaint_with(std::string const& field, nlohmann::json const& value) {
    configure(field, value);
    return complaint("lora");
  }
  void configure(std::string const& field, nlohmann::json const& value) const {
    auto config = config_;
    config[field] = value;
    write_file_atomically(folder_ / "lora" / adapter_config_file, config.dump());
  }
  void write_factors(std::function<void(NamedTensors&)> const& change) const {
    auto const path = folder_ / "lora" / adapter_weights_file;
    auto const file = SafetensorsFile::open(path);
    NamedTensors tensors;
    for (auto const& tensor : file.names()) tensors.emplace(tensor, file.tensor(tensor).clone());
    change(tensors);
    write_file_atomically(path, write_safetensors(tensors, {}));
  }

  std::vector<WeightDelta> changes_;
  std::vector<AdapterPart> parts_;
  nlohmann::json config_;
};

TEST_F(AdapterTest, IsReadAsItWasWritten) {
  auto const edit = read("lora");
  ASSERT_EQ(edit.changes.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(edit.changes[i].layer, changes_[i].layer);
    EXPECT_TRUE(at::equal(edit.changes[i].left, changes_[i].left));
    EXPECT_TRUE(at::equal(edit.changes[i].right, changes_[i].right));
    EXPECT_NEAR(parts_[i].norm, changes_[i].matrix().norm().item<double>(), 1e-4);
    EXPECT_EQ(parts_[i].lost, 0);
  }
  EXPECT_EQ(edit.base_model, "models/tiny");
  EXPECT_EQ(parts_[1].module, "transformer.h.2.mlp.c_proj");
  EXPECT_EQ(config_["r"], 3);
  EXPECT_EQ(config_["rank_pattern"], nlohmann::json({{"transformer.h.0.mlp.c_proj", 2}}));
  EXPECT_EQ(config_["fan_in_fan_out"], true);
}

TEST_F(AdapterTest, IsScaledByItsAlpha) {
  configure("lora_alpha", 6);
  EXPECT_LT(largest_difference(read("lora").changes[1].left, changes_[1].left * 2), 1e-6);
  EXPECT_TRUE(at::equal(read("lora").changes[0].left, changes_[0].left));  // it has an entry in alpha_pattern
  configure("alpha_pattern", {{R"(h\.0\.mlp\.c_proj)", 8}});
  EXPECT_LT(largest_difference(read("lora").changes[0].left, changes_[0].left * 4), 1e-6);
  configure("use_rslora", true);
  EXPECT_LT(largest_difference(read("lora").changes[1].left, changes_[1].left * std::sqrt(3)), 1e-6);
}

TEST_F(AdapterTest, WithoutTheHeadsPartOfNames) {
  write_factors([](NamedTensors& tensors) {
    NamedTensors renamed;
    for (auto const& [name, tensor] : tensors) {
      auto text = name;
      renamed[text.erase(text.find("transformer."), 12)] = tensor;
    }
    tensors = renamed;
  });
  configure("rank_pattern", {{"h.0.mlp.c_proj", 2}});
  EXPECT_EQ(read("lora").changes.size(), 2U);
}

TEST_F(AdapterTest, WhatDoesMoreThanToAddAProductIsRefused) {
  for (auto const& [field, value] : std::map<std::string, nlohmann::json>{{"use_dora", true},
                                                                          {"bias", "lora_only"},
                                                                          {"modules_to_save", {"lm_head"}},
                                                                          {"lora_bias", true},
                                                                          {"layer_replication", {{0, 2}}},
                                                                          {"peft_type", "ADALORA"},
                                                                          {"init_lora_weights", "pissa"},
                                                                          {"something_new", {{"a", 1}}},
                                                                          {"lora_alpha", "much"},
                                                                          {"alpha_pattern", {{"(a|b)+", 1}}}}) {
    EXPECT_THAT(complaint_with(field, value), AllOf(HasSubstr("lora"), HasSubstr("'" + field + "'"))) << field;
  }
  EXPECT_THAT(complaint_with("r", 4), HasSubstr("the rank of 'transformer.h.2.mlp.c_proj' is said to be 4"));
  for (auto const& [field, value] : std::map<std::string, nlohmann::json>{{"use_dora", false},
                                                                          {"init_lora_weights", "gaussian"},
                                                                          {"layer_replication", nullptr},
                                                                          {"something_new", 16},
                                                                          {"megatron_core", "megatron.core"}}) {
    EXPECT_EQ(complaint_with(field, value), "") << field;
  }
}

TEST_F(AdapterTest, OtherTensorsAreRefused) {
  auto const with = [&](std::string const& tensor, at::Tensor const& value) {
    write_factors([&](NamedTensors& tensors) { tensors[tensor] = value; });
    auto const said = complaint("lora");
    write_factors([&](NamedTensors& tensors) { tensors.erase(tensor); });
    return said;
  };
  std::string const a = "base_model.model.transformer.h.1.attn.c_attn.lora_A.weight", b = "base_model.model.x.lora_B.weight";
  EXPECT_THAT(with(a, at::ones({2, 16})), HasSubstr("only one of the factors"));
  EXPECT_THAT(with("base_model.model.transformer.h.1.mlp.c_proj.bias", at::ones({16})), HasSubstr("no factor of LoRA"));
  EXPECT_THAT(with(b, at::full({2, 2}, std::numeric_limits<float>::quiet_NaN())), HasSubstr("not finite"));
  write_factors([&](NamedTensors& tensors) {
    tensors[a] = at::ones({2, 16});
    tensors["base_model.model.transformer.h.1.attn.c_attn.lora_B.weight"] = at::ones({48, 2});
  });
  EXPECT_THAT(complaint("lora"), AllOf(HasSubstr("h.1.attn.c_attn"), HasSubstr("transformer.h.0.mlp.c_proj")));
  write_factors([&](NamedTensors& tensors) {
    tensors.clear();
    tensors["base_model.model.transformer.h.1.mlp.c_proj.lora_A.weight"] = at::ones({2, 60});
    tensors["base_model.model.transformer.h.1.mlp.c_proj.lora_B.weight"] = at::ones({16, 2});
  });
  EXPECT_THAT(complaint<ShapeError>("lora"), AllOf(HasSubstr("another model"), HasSubstr("16 x 60")));
  std::filesystem::remove(folder_ / "lora" / adapter_weights_file);
  EXPECT_THAT(complaint("lora"), HasSubstr("safe_serialization"));
}

TEST_F(AdapterTest, PatternsThatDisagreeAreRefused) {
  configure("alpha_pattern", {{"c_proj", 4}, {"h.0.mlp.c_proj", 8}});
  EXPECT_THAT(complaint("lora"), AllOf(HasSubstr("'alpha_pattern' says both 4 and 8"), HasSubstr("h.0.mlp.c_proj")));
  configure("alpha_pattern", {{"c_proj", 3}, {"h.2.mlp.c_proj", 3}, {"^h.0.mlp.c_proj", 8}});  // ^: the whole name
  EXPECT_TRUE(at::equal(read("lora").changes[1].left, changes_[1].left));
  EXPECT_LT(largest_difference(read("lora").changes[0].left, changes_[0].left * 1.5), 1e-6);
}

TEST_F(AdapterTest, FactorsWhoseProductIsNotFiniteAreRefused) {
  std::string const module = "base_model.model.transformer.h.2.mlp.c_proj";
  write_factors([&](NamedTensors& tensors) {
    tensors[module + ".lora_A.weight"].index({0, 0}).fill_(1e20);
    tensors[module + ".lora_B.weight"].index({0, 1}).fill_(1e20);
  });
  EXPECT_EQ(complaint("lora"), "");  // the two do not meet
  write_factors([&](NamedTensors& tensors) { tensors[module + ".lora_B.weight"].index({0, 0}).fill_(1e20); });
  EXPECT_THAT(complaint("lora"), AllOf(HasSubstr("h.2.mlp.c_proj"), HasSubstr("the product"), HasSubstr("not finite")));
}

TEST_F(AdapterTest, OneLayerMayStayAsItIsButNotAll) {
  auto const clear = [&](int layer) {
    write_factors([&](NamedTensors& tensors) {
      tensors["base_model.model." + projection_module(*model_, layer) + ".lora_B.weight"].zero_();
    });
  };
  clear(0);
  EXPECT_EQ(read("lora").changes.size(), 2U);
  clear(2);
  EXPECT_THAT(complaint("lora"), HasSubstr("all its changes are zero"));
}

TEST_F(AdapterTest, AMatrixNeedsARank) {
  auto const matrix = random_tensor({16, 64}, 7);
  std::vector<WeightDelta> const change{make_dense_delta(1, matrix)};
  EXPECT_THAT(complaint_of([&] { write_adapter(*model_, change, {"m"}, folder_ / "dense"); }),
              AllOf(HasSubstr("--rank R"), HasSubstr("At R = 16")));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "dense"));
  auto const part = write_adapter(*model_, change, {.base_model = "m", .rank = 4}, folder_ / "dense").front();
  auto const written = read("dense").changes.front();
  EXPECT_EQ(written.left.size(0), 4);
  EXPECT_NEAR(part.lost, ((matrix - written.matrix()).norm() / matrix.norm()).item<double>(), 1e-6);
  EXPECT_EQ(
      complaint_of<RunError>([&] {
        write_adapter(*model_, {make_dense_delta(1, at::zeros({16, 64}))}, {.base_model = "m", .rank = 1}, folder_ / "none");
      }),
      "Nothing was written: no entry of the model's matrices changes.");
}

TEST_F(FinishedEditTest, MatricesLieAsInTheCheckpoint) {
  auto const change = random_tensor({64, 16}, 5, 0.1);  // GPT-2 stores [in, out]
  NamedTensors const after{{name(1), stored(1) + change}};
  write_tensors(after);
  auto const alone = read();
  ASSERT_EQ(alone.changes.size(), 1U);
  EXPECT_EQ(alone.changes.front().layer, 1);
  EXPECT_LT(largest_difference(alone.changes.front().dense, change.t()), 1e-6);
  auto whole = tiny_.tensors;
  whole[name(1)] = after.at(name(1));
  write_model("edited", whole);
  EXPECT_EQ(read("edited").content(), alone.content());
  write_tensors({{name(1), after.at(name(1))}, {name(1) + ".original", stored(1)}});
  EXPECT_EQ(read().content(), alone.content());
  write_tensors({{name(1) + ".delta", after.at(name(1)) - stored(1)}});
  EXPECT_EQ(read().content(), alone.content());
  write_tensors({{"h.1.mlp.c_proj.weight.delta", after.at(name(1)) - stored(1)}});  // of the model without its head
  EXPECT_EQ(read().content(), alone.content());
}

TEST_F(FinishedEditTest, OtherTypesAreComparedInTheirOwn) {
  NamedTensors half;
  for (auto const& [tensor, value] : tiny_.tensors) half[tensor] = value.to(at::kHalf);
  write_model("edited", half);
  EXPECT_THAT(complaint("edited"), HasSubstr("no tensor differs"));
  half[name(2)].index({0, 0}).add_(1);
  write_model("edited", half);
  auto const change = read("edited").changes.front();
  EXPECT_EQ(change.layer, 2);
  EXPECT_EQ(change.dense.count_nonzero().item<std::int64_t>(), 1);
}

TEST_F(FinishedEditTest, WhatCannotBeUsedIsRefused) {
  auto const ones = at::ones({64, 16});
  EXPECT_THAT(complaint_about({{"other", ones}}),
              AllOf(HasSubstr("edit.safetensors"), HasSubstr("'other' that the model lacks")));
  EXPECT_THAT(complaint_about({{"transformer.ln_f.weight", at::ones({16})}}),
              AllOf(HasSubstr("'transformer.ln_f.weight'"), HasSubstr("transformer.h.0.mlp.c_proj")));
  EXPECT_THAT(complaint_about({{"transformer.ln_f.weight.delta", at::ones({16})}}), HasSubstr("second matrix"));
  EXPECT_THAT(complaint_about({{name(0) + ".delta", ones / 0}}), HasSubstr("not finite"));
  EXPECT_THAT(complaint_about({{name(0), ones}, {name(0) + ".delta", ones}}), HasSubstr("Keep one"));
  EXPECT_THAT(complaint_about({{name(0) + ".original", ones}}), HasSubstr("but not '" + name(0) + "'"));
  EXPECT_THAT(complaint_about({{name(0), ones}, {name(0) + ".original", ones}}), HasSubstr("another model"));
  EXPECT_THAT(complaint_about({{name(0), stored(0)}}), HasSubstr("changes nothing"));
  EXPECT_THAT(complaint_about({{name(0), ones.to(at::kLong)}}), HasSubstr("Long"));
  write_tensors({{name(0), at::ones({16, 64})}});
  EXPECT_THAT(complaint<ShapeError>(), AllOf(HasSubstr("another model"), HasSubstr("[16, 64]"), HasSubstr("[64, 16]")));
  write_file_atomically(folder_ / "edit.pt", "x");
  EXPECT_THAT(complaint("edit.pt"), HasSubstr("save_file"));
  EXPECT_THAT(complaint("absent"), HasSubstr("absent is not there"));
  std::filesystem::create_directory(folder_ / "empty");
  EXPECT_THAT(complaint("empty"), HasSubstr(adapter_config_file));
  auto whole = tiny_.tensors;
  whole["transformer.wpe.weight"] = whole["transformer.wpe.weight"] + 1;
  write_model("edited", whole);
  EXPECT_THAT(complaint("edited"), HasSubstr("'transformer.wpe.weight'"));
  whole.erase("transformer.wpe.weight");
  write_model("edited", whole);
  EXPECT_THAT(complaint("edited"), HasSubstr("lacks the tensor 'transformer.wpe.weight'"));
}

TEST_F(FinishedEditTest, BuffersOfOtherVersionsAreNoWeights) {
  auto whole = tiny_.tensors;
  whole["transformer.h.0.attn.bias"] = at::ones({4});
  whole["lm_head.weight"] = whole["transformer.wte.weight"];
  whole[name(0)] = stored(0) + 1;
  write_model("edited", whole);
  EXPECT_EQ(read("edited").changes.size(), 1U);
}

/// Pythia, whose files have buffers of its attention.
class NeoxEditTest : public FinishedEditTest {
 protected:
  NeoxEditTest() : FinishedEditTest(tiny_gpt_neox()) {}
};

TEST_F(NeoxEditTest, BuffersOfAttentionAreNoWeights) {
  auto whole = tiny_.tensors;
  whole["gpt_neox.layers.1.attention.bias"] = at::ones({1, 1, 4, 4}, at::kBool).tril();
  whole["gpt_neox.layers.1.attention.masked_bias"] = at::full({}, -1e9);
  whole["gpt_neox.layers.1.attention.rotary_emb.inv_freq"] = at::ones({2});
  write_model("buffers", whole);
  whole[name(1)] = stored(1) + 1;
  write_model("edited", whole);
  EXPECT_EQ(read("edited").changes.size(), 1U);
  auto const buffers = Checkpoint::open(folder_ / "buffers");
  EXPECT_EQ(read_finished_edit(folder_ / "edited", buffers, *model_).changes.size(), 1U);
  auto without = whole;
  without.erase("gpt_neox.layers.1.attention.bias");
  write_model("edited", without);
  EXPECT_EQ(read_finished_edit(folder_ / "edited", buffers, *model_).changes.size(), 1U);
  whole["gpt_neox.layers.1.attention.dense.bias"] = whole["gpt_neox.layers.1.attention.dense.bias"] + 1;
  write_model("edited", whole);
  EXPECT_THAT(complaint("edited"), HasSubstr("attention.dense.bias"));
}

TEST_F(NeoxEditTest, TensorsOfOtherTypesMayBeThereIfTheyAreEqual) {
  auto whole = tiny_.tensors;
  whole["gpt_neox.counter"] = at::ones({2}, at::kLong);
  write_model("counting", whole);
  auto const original = Checkpoint::open(folder_ / "counting");
  whole[name(1)] = stored(1) + 1;
  write_model("edited", whole);
  EXPECT_EQ(read_finished_edit(folder_ / "edited", original, *model_).changes.size(), 1U);
  whole["gpt_neox.counter"] = at::zeros({2}, at::kLong);
  write_model("edited", whole);
  EXPECT_THAT(complaint_of([&] { read_finished_edit(folder_ / "edited", original, *model_); }), HasSubstr("counter"));
}

TEST_F(NeoxEditTest, TheIndexSaysWhichFileHasATensor) {
  auto whole = tiny_.tensors;
  whole[name(1)] = stored(1) + 1;
  auto const shards = folder_ / "shards";
  std::filesystem::create_directory(shards);
  std::string map = "\"" + name(0) + R"(": "a.safetensors")";
  for (auto const& [tensor, value] : whole) {
    if (tensor != name(0)) map += ", \"" + tensor + R"(": "b.safetensors")";
  }
  // The first file also has an older copy of what the second has.
  write_file_atomically(shards / "a.safetensors", write_safetensors({{name(0), stored(0)}, {name(1), stored(1)}}, {}));
  whole.erase(name(0));
  write_file_atomically(shards / "b.safetensors", write_safetensors(whole, {}));
  write_file_atomically(shards / "config.json", tiny_.config);
  write_file_atomically(shards / "model.safetensors.index.json", R"({"weight_map": {)" + map + "}}");
  auto const edit = read("shards");
  ASSERT_EQ(edit.changes.size(), 1U);
  EXPECT_EQ(edit.changes.front().layer, 1);
}

/// A folder of Gemma 3 with images, whose files name the text model "language_model.model.".
class GemmaEditTest : public FinishedEditTest {
 protected:
  GemmaEditTest() : FinishedEditTest(tiny_family("gemma3")) {}

  /// The tensors with another prefix of the text model.
  NamedTensors renamed(std::string const& prefix) const {
    constexpr std::string_view own = "language_model.model.";
    NamedTensors tensors;
    for (auto const& [tensor, value] : tiny_.tensors)
      tensors[tensor.starts_with(own) ? prefix + tensor.substr(own.size()) : tensor] = value;
    return tensors;
  }
};

TEST_F(GemmaEditTest, LayoutsAreComparedWithEachOther) {
  for (auto const* prefix : {"model.language_model.", "model.", "language_model.", "language_model.model."}) {
    auto tensors = renamed(prefix);
    auto& matrix = tensors.at(prefix + std::string("layers.1.mlp.down_proj.weight"));
    matrix = matrix + 1;
    tensors["language_model.lm_head.weight"] = tensors.at(prefix + std::string("embed_tokens.weight"));
    write_model("edited", tensors);
    EXPECT_EQ(read("edited").changes.size(), 1U) << prefix;
    auto const other = Checkpoint::open(folder_ / "edited");
    write_model("original", tiny_.tensors);
    EXPECT_EQ(read_finished_edit(folder_ / "original", other, *model_).changes.size(), 1U) << prefix;
  }
}

TEST_F(GemmaEditTest, AdaptersNameTheTextModelInsideOfTheWhole) {
  std::vector<WeightDelta> const changes{{1, random_tensor({2, 16}, 1), random_tensor({2, 40}, 2), {}}};
  auto const parts = write_adapter(*model_, changes, {"m"}, folder_ / "lora");
  EXPECT_EQ(parts.front().module, "model.language_model.layers.1.mlp.down_proj");
  EXPECT_TRUE(at::equal(read("lora").changes.front().right, changes.front().right));
  auto const path = folder_ / "lora" / adapter_weights_file;
  for (auto const* prefix : {"", "model.", "language_model.model.", "language_model."}) {
    NamedTensors tensors;
    auto const module = "base_model.model." + std::string(prefix) + "layers.1.mlp.down_proj";
    tensors[module + ".lora_A.weight"] = changes.front().right;
    tensors[module + ".lora_B.weight"] = changes.front().left.t().contiguous();
    write_file_atomically(path, write_safetensors(tensors, {}));
    EXPECT_EQ(read("lora").changes.front().layer, 1) << prefix;
  }
}

TEST(LowRankTest, OfFactorsIsThatOfTheirProduct) {
  for (auto const& [out, in] : {std::pair(7, 12), std::pair(12, 7)}) {
    auto const left = random_tensor({9, out}, 1), right = random_tensor({9, in}, 2);  // of a rank above that of the product
    auto const product = at::matmul(left.t(), right);
    for (std::int64_t rank : {1, 4, 7, 9}) {
      auto const found = low_rank(left, right, rank), whole = low_rank(product, rank);
      EXPECT_EQ(found.left.sizes(), whole.left.sizes());
      EXPECT_EQ(found.right.sizes(), whole.right.sizes());
      EXPECT_LT(largest_difference(at::matmul(found.left.t(), found.right), at::matmul(whole.left.t(), whole.right)), 1e-5);
      EXPECT_NEAR(found.lost, whole.lost, 1e-6);
    }
  }
}

TEST(LowRankTest, IsTheNearestMatrix) {
  for (auto const& [out, in] : {std::pair(5, 9), std::pair(9, 5)}) {
    auto const matrix = random_tensor({out, in}, 11);
    auto const values = std::get<1>(at::svd(matrix.to(at::kDouble)));
    for (std::int64_t rank : {1, 3, 5, 7}) {
      auto const found = low_rank(matrix, rank);
      auto const kept = std::min<std::int64_t>(rank, 5);
      EXPECT_EQ(found.left.sizes(), (std::vector<std::int64_t>{kept, out}));
      EXPECT_EQ(found.right.sizes(), (std::vector<std::int64_t>{kept, in}));
      auto const best = (values.narrow(0, kept, 5 - kept).norm() / values.norm()).item<double>();
      EXPECT_NEAR(found.lost, best, 1e-6);
      EXPECT_NEAR((matrix - at::matmul(found.left.t(), found.right)).norm().item<double>() / matrix.norm().item<double>(), best,
                  1e-6);
    }
  }
  EXPECT_EQ(low_rank(at::zeros({3, 4}), 2).lost, 0);
}

TEST(StackedFactors, AreFilledWithZeros) {
  auto const one = random_tensor({1, 4}, 1), two = random_tensor({2, 4}, 2);
  auto const stacked = stacked_factors({one, two});
  EXPECT_EQ(stacked.sizes(), (std::vector<std::int64_t>{2, 2, 4}));
  EXPECT_TRUE(at::equal(stacked[0][0], one[0]));
  EXPECT_EQ(stacked[0][1].count_nonzero().item<std::int64_t>(), 0);
  EXPECT_TRUE(at::equal(stacked[1], two));
  EXPECT_TRUE(at::equal(stacked_factors({two, two}), at::stack({two, two})));
}

}  // namespace
}  // namespace onemask::test
