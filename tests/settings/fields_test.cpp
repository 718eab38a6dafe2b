#include <onemask/settings/mask_options.hpp>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

namespace onemask {
namespace {

using testing::HasSubstr;

/// What is wrong with a value for a field; empty: it was taken.
template <typename Options>
std::string set(Options& options, std::string const& name, std::string const& value) {
  for (auto const& field : fields_of<Options>()) {
    if (field.name == name) return field.set(options, YAML::Load(value));
  }
  return "no such field";
}

/// The values of all fields; read again they are the same.
template <typename Options>
std::vector<std::string> texts(Options const& options) {
  std::vector<std::string> result;
  for (auto const& field : fields_of<Options>()) result.push_back(field.name + ": " + field.text(options));
  return result;
}

TEST(MaskFields, TheLineThatNamesMasksIsKept) {
  EXPECT_EQ(
      describe(MaskOptions{}),
      "epochs 301 batch 50/10 adamw 0.001 0.90000000000000002 0.999 1e-08 0 clip 1 init 0.84999999999999998 "
      "0.10000000000000001 tau 6 3 restoration margin 3 sparsity 0.10000000000000001 9.9999999999999995e-07 60 distillation "
      "3.2552012360472671 linear 1.642967087192555 4.3014348053695191 validation 0.10000000000000001 space 0");
  MaskOptions other;
  other.layers = {3, 5};
  other.restoration = Restoration::nll;
  other.temperature_schedule = TemperatureSchedule::cosine;
  other.leading_space = true;
  other.weight_decay = 0.01;
  EXPECT_EQ(describe(other),
            "epochs 301 batch 50/10 adamw 0.001 0.90000000000000002 0.999 1e-08 0.01 clip 1 init 0.84999999999999998 "
            "0.10000000000000001 tau 6 3 restoration nll 3 sparsity 0.10000000000000001 9.9999999999999995e-07 60 distillation "
            "3.2552012360472671 cosine 1.642967087192555 4.3014348053695191 validation 0.10000000000000001 space 1 layer 3 layer "
            "5");
  other = {};
  other.paraphrases = false;
  EXPECT_EQ(describe(other), describe(MaskOptions{}) + " rewrite prompts");
}

TEST(MaskFields, ValuesAreReadExactly) {
  MaskOptions options, again;
  EXPECT_EQ(set(options, "learning_rate", "0.30000000000000004"), "");
  EXPECT_EQ(options.learning_rate, 0.30000000000000004);
  EXPECT_EQ(set(options, "max_gradient_norm", ".inf"), "");
  EXPECT_EQ(set(options, "restoration", "nll"), "");
  EXPECT_EQ(options.restoration, Restoration::nll);
  EXPECT_EQ(set(options, "layers", "[1, 4]"), "");
  EXPECT_EQ(set(options, "zeros", "0.15"), "");
  for (auto const& field : fields_of<MaskOptions>())
    EXPECT_EQ(field.set(again, YAML::Load(field.text(options))), "") << field.name;
  EXPECT_EQ(texts(again), texts(options));
  EXPECT_EQ(describe(again), describe(options));
}

TEST(MaskFields, WrongValuesAreNotTaken) {
  MaskOptions options;
  EXPECT_EQ(set(options, "epochs", "0"), "must be at least 1");
  EXPECT_THAT(set(options, "epochs", "many"), HasSubstr("must be a whole number, but is 'many'"));
  EXPECT_THAT(set(options, "epochs", "[1]"), HasSubstr("must be a whole number, but is '[1]'"));
  EXPECT_EQ(set(options, "learning_rate", "0"), "must be a positive number");
  EXPECT_EQ(set(options, "learning_rate", ".inf"), "must be a positive number");
  EXPECT_EQ(set(options, "margin", ".nan"), "must be a finite number");
  EXPECT_EQ(set(options, "max_gradient_norm", "0"), "must be above 0; .inf does not clip");
  EXPECT_EQ(set(options, "threshold", "1"), "must be between 0 and 1");
  for (auto const* share : {"0", "1", ".nan"})
    EXPECT_EQ(set(options, "zeros", share), "must be between 0 and 1, or a list of such shares");
  EXPECT_EQ(set(options, "validation_share", "1"), "must be at least 0 and under 1");
  EXPECT_EQ(set(options, "restoration", "most"), "is 'most'; known are margin, nll, none");
  EXPECT_EQ(texts(options), texts(MaskOptions{}));
}

}  // namespace
}  // namespace onemask
