#include "support/complaint.hpp"
#include "support/temporary_folder.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/settings/edit_hparams.hpp>

#include <filesystem>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

/// As EasyEdit writes it for gpt2-xl.
std::string const gpt2_xl = R"(alg_name: "ROME"
model_name: "./hugging_cache/gpt2-xl"
stats_dir: "./data/stats"
device: 0
layers: [17]
fact_token: "subject_last"
v_num_grad_steps: 20
v_lr: 5e-1
v_loss_layer: 47
v_weight_decay: 0.5
clamp_norm_factor: 4
kl_factor: 0.0625
mom2_adjustment: false
context_template_length_params: [[5, 10], [10, 10]]
rewrite_module_tmp: "transformer.h.{}.mlp.c_proj"
layer_module_tmp: "transformer.h.{}"
mlp_module_tmp: "transformer.h.{}.mlp"
attn_module_tmp: "transformer.h.{}.attn"
ln_f_module: "transformer.ln_f"
lm_head_module: "transformer.wte"
mom2_dataset: "wikipedia"
mom2_n_samples: 100000
mom2_dtype: "float32"
model_parallel: false
)";

class HparamsTest : public testing::Test {
 protected:
  EditHparams read(std::string const& text) const {
    write_file_atomically(folder_ / "h.yaml", text);
    return read_edit_hparams(folder_ / "h.yaml");
  }
  std::string complaint(std::string const& text) const {
    return test::complaint_of([&] { read(text); });
  }
  /// The file with the line of `key` replaced, or removed where `line` is empty.
  static std::string with(std::string const& key, std::string const& line) {
    auto text = gpt2_xl;
    auto const begin = text.find(key + ":");
    auto const end = text.find('\n', begin) + 1;
    return text.replace(begin, end - begin, line.empty() ? "" : line + "\n");
  }

  test::TemporaryFolder folder_;
};

TEST_F(HparamsTest, TheFormatOfEasyEditUnchanged) {
  auto const h = read(gpt2_xl);
  EXPECT_EQ(h.method, EditMethod::rome);
  EXPECT_EQ(h.layer(), 17);
  EXPECT_EQ(h.fact_token, "subject_last");
  EXPECT_EQ(h.v_num_grad_steps, 20);
  EXPECT_EQ(h.v_lr, 0.5);
  EXPECT_EQ(h.v_loss_layer, 47);
  EXPECT_EQ(h.v_weight_decay, 0.5);
  EXPECT_EQ(h.clamp_norm_factor, 4);
  EXPECT_EQ(h.kl_factor, 0.0625);
  EXPECT_THAT(h.context_template_length_params, ElementsAre(Pair(5, 10), Pair(10, 10)));
}

TEST_F(HparamsTest, OtherVariantAndToken) {
  EXPECT_EQ(read(with("alg_name", "alg_name: R-ROME")).method, EditMethod::r_rome);
  EXPECT_EQ(read(with("fact_token", "fact_token: last")).fact_token, "last");
  EXPECT_THAT(complaint(with("alg_name", "alg_name: MEND")), AllOf(HasSubstr("MEND"), HasSubstr("AlphaEdit")));
  EXPECT_THAT(complaint(with("fact_token", "fact_token: subject_first")), HasSubstr("subject_last"));
}

TEST_F(HparamsTest, DefaultsWhereEasyEditHasSome) {
  auto const h = read(with("context_template_length_params", ""));
  EXPECT_THAT(h.context_template_length_params, ElementsAre(Pair(5, 10), Pair(10, 10)));
  EXPECT_EQ(read(with("fact_token", "")).fact_token, "subject_last");
  EXPECT_EQ(read(with("mom2_adjustment", "")).layer(), 17);
}

TEST_F(HparamsTest, MethodsForManyFacts) {
  auto memit = with("alg_name", "alg_name: MEMIT");
  memit.replace(memit.find("layers: [17]"), 12, "layers: [13, 14]");
  auto const h = read(memit + "mom2_update_weight: 20000\n");
  EXPECT_EQ(h.method, EditMethod::memit);
  EXPECT_THAT(h.layers, ElementsAre(13, 14));
  EXPECT_EQ(h.layer(), 14);
  EXPECT_EQ(h.mom2_update_weight, 20000);
  EXPECT_TRUE(needs_moments(h));
  auto emmet = memit;
  auto const e = read(emmet.replace(emmet.find("MEMIT"), 5, "EMMET") + "emmet_lambda: 0\n");
  EXPECT_EQ(e.method, EditMethod::emmet);
  EXPECT_EQ(e.mom2_update_weight, 1);
  EXPECT_EQ(e.emmet_lambda, 0);
  auto alpha = memit;
  auto const a = read(alpha.replace(alpha.find("MEMIT"), 5, "AlphaEdit") + "nullspace_threshold: 0.05\nL2: 3\n");
  EXPECT_EQ(a.nullspace_threshold, 0.05);
  EXPECT_EQ(a.l2, 3);
  EXPECT_THAT(complaint(memit + "mom2_update_weight: 0\n"), HasSubstr("mom2_update_weight"));
  memit.replace(memit.find("[13, 14]"), 8, "[14, 13]");
  EXPECT_THAT(complaint(memit), AllOf(HasSubstr("'layers'"), HasSubstr("ascending")));
}

TEST_F(HparamsTest, FineTuning) {
  std::string const ft = "alg_name: FT\nlayers: [0]\nnum_steps: 25\nlr: 5e-4\nweight_decay: 0\nkl_factor: 0\n";
  auto const h = read(ft + "norm_constraint: 5e-5\n");
  EXPECT_EQ(h.method, EditMethod::ft_l);
  EXPECT_EQ(h.norm_constraint, 5e-5);
  EXPECT_FALSE(needs_moments(h));
  for (auto const* none : {"false", "False", "no", "null", "0"})
    EXPECT_EQ(read(ft + "norm_constraint: " + none + "\nwd_power_law: null\n").norm_constraint, 0) << none;
  EXPECT_THAT(complaint(ft), HasSubstr("norm_constraint"));
  EXPECT_THAT(complaint(ft + "norm_constraint: -1\n"), HasSubstr("norm_constraint"));
}

TEST_F(HparamsTest, SettingsOfFineTuningAreObeyed) {
  std::string const ft =
      "alg_name: FT\nlayers: [0]\nnum_steps: 25\nlr: 5e-4\nweight_decay: 0\nkl_factor: 0\nnorm_constraint: 5e-5\n";
  auto const plain = read(ft);
  EXPECT_EQ(describe_solve(plain), describe_solve(read(ft + "objective_optimization: target_new\n")));
  EXPECT_EQ(plain.batch_size, 0);
  auto const h = read(ft + "batch_size: 4\nobjective_optimization: prompt_last\n");
  EXPECT_EQ(h.batch_size, 4);
  EXPECT_EQ(h.objective_optimization, "prompt_last");
  EXPECT_EQ(describe_solve(h), describe_solve(plain) + " objective prompt_last batch 4");
  EXPECT_THAT(complaint(ft + "objective_optimization: target\n"),
              AllOf(HasSubstr("objective_optimization"), HasSubstr("prompt_last")));
  auto drifting = ft;
  EXPECT_THAT(complaint(drifting.replace(drifting.find("kl_factor: 0"), 12, "kl_factor: 1")), HasSubstr("'kl_factor' must be 0"));
}

TEST_F(HparamsTest, WhatIsPassedOverIsNotNeeded) {
  for (auto const& [line, word] : std::vector<std::pair<std::string, std::string>>{
           {"fp16: true", "model.dtype"},
           {"layer_selection: random", "'layer_selection' is random, but only all"},
           {"mom2_dtype: float16", "mom2_dtype"},
           {"update_norm_lambda: 0.5", "update_norm_lambda"},
           {"enable_prompt_keys: true", "enable_prompt_keys"},
           {"enable_random_prefix_keys: false", "enable_random_prefix_keys"},
           {"original_implementation: true", "R-ROME"},
           {"use_chat_template: true", "use_chat_template"},
           {"rewrite_module_tmp: transformer.h.{}.attn", "second matrix of the MLP"},
           {"rewrite_module_tmp: transformer.h.{}.attn.c_proj", "second matrix of the MLP"},
           {"rewrite_module_tmp: transformer.h.{}", "second matrix of the MLP"},
           {"rewrite_module_tmp: transformer.h.18.mlp.c_proj", "names layer 18"},
           {"bias_update: true", "bias_update"},
           {"dynamic: true", "'dynamic' is true"},
           {"prob_cutoff: 0.9", "prob_cutoff"},
           {"norm_control: 1", "norm_control"},
           {"wd_power_law: [1, 2]", "wd_power_law"},
           {"batch_size: 10", "edits each fact by itself"}}) {
    auto const key = line.substr(0, line.find(':'));
    auto const text = gpt2_xl.find(key + ":") == std::string::npos ? gpt2_xl + line + "\n" : with(key, line);
    EXPECT_THAT(complaint(text), AllOf(HasSubstr("h.yaml"), HasSubstr(word))) << line;
  }
  for (auto const* line :
       {"fp16: False", "fp16: 0", "fp16: null", "bias_update: false", "dynamic: False", "dynamic_multiplier: 10",
        "prob_cutoff: 0", "norm_control: 0.0", "wd_power_law: null", "layer_selection: 'all'", "update_norm_lambda: 0.0",
        "enable_prompt_keys: false", "enable_random_prefix_keys: true", "original_implementation: false",
        "enable_thinking: false", "batch_size: 1"})
    EXPECT_EQ(complaint(gpt2_xl + line + "\n"), "") << line;
  for (auto const* module : {"transformer.h.17.mlp.c_proj", "model.layers.{}.mlp.down_proj.weight", "transformer.h.{}.mlp.fc_out",
                             "gpt_neox.layers.{}.mlp.dense_4h_to_h"})
    EXPECT_EQ(complaint(with("rewrite_module_tmp", std::string("rewrite_module_tmp: \"") + module + "\"")), "") << module;
}

TEST_F(HparamsTest, AFileWithoutAMethodTakesThatOfItsFolder) {
  auto const text = with("alg_name", "");
  EXPECT_THAT(complaint(text), AllOf(HasSubstr("h.yaml"), HasSubstr("'alg_name'"), HasSubstr("edit.method"), HasSubstr("memit")));
  EXPECT_EQ(read_edit_hparams(folder_ / "h.yaml", EditMethod::r_rome).method, EditMethod::r_rome);
  for (auto const& [name, method] : std::vector<std::pair<std::string, EditMethod>>{{"ROME", EditMethod::rome},
                                                                                    {"MEMIT", EditMethod::memit},
                                                                                    {"alphaedit", EditMethod::alphaedit},
                                                                                    {"R-ROME", EditMethod::r_rome}}) {
    std::filesystem::create_directory(folder_ / name);
    write_file_atomically(folder_ / name / "h.json", text);
    EXPECT_EQ(read_edit_hparams(folder_ / name / "h.json").method, method) << name;
  }
  EXPECT_EQ(read_edit_hparams(folder_ / "MEMIT" / "h.json", EditMethod::emmet).method, EditMethod::emmet);
  // As MEMIT's authors wrote it for GPT-J, in short.
  std::filesystem::create_directory(folder_ / "FT");
  write_file_atomically(
      folder_ / "FT" / "h.json",
      R"({"layers": [21], "num_steps": 25, "lr": 5e-4, "weight_decay": 0, "kl_factor": 0, "norm_constraint": 5e-5})");
  // Their code reads the object behind the prompt, and takes 64 facts a step.
  auto const tuning = read_edit_hparams(folder_ / "FT" / "h.json");
  EXPECT_EQ(tuning.method, EditMethod::ft_l);
  EXPECT_EQ(tuning.objective_optimization, "prompt_last");
  EXPECT_EQ(tuning.batch_size, 64);
  write_file_atomically(folder_ / "MEMIT" / "h.json", with("alg_name", "alg_name:"));
  EXPECT_EQ(read_edit_hparams(folder_ / "MEMIT" / "h.json").method, EditMethod::memit);
  // What the file says comes first.
  write_file_atomically(folder_ / "MEMIT" / "h.json", gpt2_xl);
  EXPECT_EQ(read_edit_hparams(folder_ / "MEMIT" / "h.json", EditMethod::memit).method, EditMethod::rome);
}

TEST_F(HparamsTest, MissingKeys) {
  for (auto const* key :
       {"layers", "v_num_grad_steps", "v_lr", "v_loss_layer", "v_weight_decay", "clamp_norm_factor", "kl_factor"}) {
    EXPECT_THAT(complaint(with(key, "")),
                AllOf(HasSubstr("h.yaml"), HasSubstr(std::string("'") + key + "'"), HasSubstr("missing")))
        << key;
  }
}

TEST_F(HparamsTest, UnknownKeysSuggestTheNearest) {
  EXPECT_THAT(complaint(gpt2_xl + "v_loss_leyer: 3\n"),
              AllOf(HasSubstr("'v_loss_leyer'"), HasSubstr("Did you mean 'v_loss_layer'?")));
  EXPECT_THAT(complaint(gpt2_xl + "colour: red\n"), AllOf(HasSubstr("'colour'"), Not(HasSubstr("Did you mean"))));
}

TEST_F(HparamsTest, WrongTypesAndValues) {
  for (auto const& [key, line] : std::vector<std::pair<std::string, std::string>>{
           {"layers", "layers: 17"},
           {"layers", "layers: []"},
           {"layers", "layers: [1, 2]"},
           {"layers", "layers: [x]"},
           {"v_num_grad_steps", "v_num_grad_steps: 0"},
           {"v_num_grad_steps", "v_num_grad_steps: 2.5"},
           {"v_num_grad_steps", "v_num_grad_steps: 99999999999999999999"},
           {"v_lr", "v_lr: fast"},
           {"v_lr", "v_lr: 0"},
           {"v_lr", "v_lr: .nan"},
           {"v_lr", "v_lr: .inf"},
           {"v_loss_layer", "v_loss_layer: [1]"},
           {"v_weight_decay", "v_weight_decay: {}"},
           {"v_weight_decay", "v_weight_decay: .nan"},
           {"clamp_norm_factor", "clamp_norm_factor: -1"},
           {"kl_factor", "kl_factor:"},
           {"kl_factor", "kl_factor: .nan"},
           {"mom2_adjustment", "mom2_adjustment: 3"},
           {"context_template_length_params", "context_template_length_params: [5, 10]"},
           {"context_template_length_params", "context_template_length_params: [[5, 10, 3]]"},
           {"context_template_length_params", "context_template_length_params: [[0, 3]]"},
           {"context_template_length_params", "context_template_length_params: [[5, -1]]"}}) {
    EXPECT_THAT(complaint(with(key, line)), AllOf(HasSubstr("h.yaml"), HasSubstr(key))) << line;
  }
}

TEST_F(HparamsTest, FilesThatAreNone) {
  for (auto const* text : {"", "[]", "3", "{", "layers: [1\n", "\xff\xfe", "? [a]\n: 1\n", "&a [*a]"}) {
    EXPECT_THAT(complaint(text), HasSubstr("h.yaml")) << text;
  }
  EXPECT_THROW(read_edit_hparams(folder_ / "none.yaml"), UserError);
  EXPECT_THROW(read_edit_hparams(folder_.path()), UserError);
}

TEST_F(HparamsTest, EveryFileThatComesWithTheProgram) {
  std::set<std::string> layers;
  for (auto const& entry :
       std::filesystem::recursive_directory_iterator(std::filesystem::path(ONEMASK_SOURCE_DIR) / "res" / "hparams")) {
    if (entry.is_directory()) continue;
    auto const h = read_edit_hparams(entry.path());
    EXPECT_EQ(h.method == EditMethod::rome, entry.path().parent_path().filename() == "rome") << entry.path();
    if (h.method == EditMethod::ft_l) continue;
    EXPECT_GT(h.v_loss_layer, h.layer()) << entry.path();
    layers.insert(entry.path().stem().string());
  }
  EXPECT_TRUE(layers.contains("gpt2-xl"));
  auto const ours = read_edit_hparams(std::filesystem::path(ONEMASK_SOURCE_DIR) / "res" / "hparams" / "rome" / "gpt2-xl.yaml");
  EXPECT_EQ(describe(ours), describe(read(gpt2_xl)));
}

TEST_F(HparamsTest, DescriptionNamesEverySetting) {
  std::set<std::string> seen{describe(read(gpt2_xl))};
  for (auto const& [key, line] : std::vector<std::pair<std::string, std::string>>{{"alg_name", "alg_name: R-ROME"},
                                                                                  {"layers", "layers: [16]"},
                                                                                  {"fact_token", "fact_token: last"},
                                                                                  {"v_num_grad_steps", "v_num_grad_steps: 21"},
                                                                                  {"v_lr", "v_lr: 0.50000000000000011"},
                                                                                  {"v_loss_layer", "v_loss_layer: 46"},
                                                                                  {"v_weight_decay", "v_weight_decay: 0.4"},
                                                                                  {"clamp_norm_factor", "clamp_norm_factor: 3"},
                                                                                  {"kl_factor", "kl_factor: 0.06"}}) {
    EXPECT_TRUE(seen.insert(describe(read(with(key, line)))).second) << line;
  }
}

TEST(EditHparams, AreReadAsTheyAreWritten) {
  test::TemporaryFolder const folder;
  for (auto const& [method, name] : edit_method_names) {
    EditHparams hparams;
    hparams.method = method;
    hparams.layers = edits_in_batches(method) && method != EditMethod::ft_l ? std::vector{3, 4, 5} : std::vector{5};
    hparams.v_lr = 0.1 + 0.2;
    hparams.v_loss_layer = 11;
    hparams.mom2_update_weight = 1500;
    hparams.emmet_lambda = 0.25;
    hparams.l2 = 1;
    hparams.lr = 3e-5;
    hparams.norm_constraint = 0;
    hparams.context_template_length_params = {{4, 2}};
    write_file_atomically(folder / "written.yaml", hparams_text(hparams));
    auto const read = read_edit_hparams(folder / "written.yaml");
    EXPECT_EQ(describe(read), describe(hparams)) << name;
    EXPECT_EQ(describe_solve(read), describe_solve(hparams)) << name;
    if (method != EditMethod::ft_l) {
      EXPECT_THAT(read.context_template_length_params, ElementsAre(Pair(4, 2))) << name;
    }
  }
}

}  // namespace
}  // namespace onemask
