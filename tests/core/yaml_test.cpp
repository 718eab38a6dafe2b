#include "support/complaint.hpp"
#include <onemask/core/yaml_document.hpp>
#include <onemask/core/yaml_section.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

namespace onemask::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

YAML::Node document() {
  return parse_yaml("name: tiny\nmask: {epochs: 3, rate: 0.5, seeds: [1, 2]}\nempty:\n", "test");
}

YamlSection section() {
  return {document(), "s.yaml", ""};
}

TEST(Yaml, WhatIsNoYamlIsRefused) {
  EXPECT_THAT(complaint_of([] { parse_yaml("a: [1", "The study s.yaml"); }), HasSubstr("The study s.yaml is not valid YAML"));
}

TEST(Yaml, AnchorsAreNotShared) {
  auto const root = parse_yaml("a: &x {n: 1, '2': \"3\"}\nb: *x\nc: &y 5\nd: *y\nlist: [*y, *x]\n", "test");
  override_values(root, {"a.n=2", "d=6"});
  EXPECT_EQ(root["a"]["n"].as<int>(), 2);
  EXPECT_EQ(root["b"]["n"].as<int>(), 1);
  EXPECT_EQ(root["b"]["2"].Tag(), "!");  // a text, because of its quotes
  EXPECT_EQ(root["c"].as<int>(), 5);
  EXPECT_EQ(root["d"].as<int>(), 6);
  EXPECT_EQ(root["list"][1]["n"].as<int>(), 1);
}

TEST(Yaml, MergeKeysAreFilledIn) {
  auto const root = parse_yaml("a: &x {n: 1, m: 2}\nb: {n: 3, <<: *x}\nc: {<<: [{n: 4}, *x]}\n", "test");
  EXPECT_EQ(root["b"]["n"].as<int>(), 3);
  EXPECT_EQ(root["b"]["m"].as<int>(), 2);
  EXPECT_EQ(root["b"].size(), 2U);
  EXPECT_EQ(root["c"]["n"].as<int>(), 4);
  EXPECT_EQ(root["c"]["m"].as<int>(), 2);
  EXPECT_THAT(complaint_of([] { parse_yaml("a: &x 1\nb: {<<: *x}\n", "s.yaml"); }), HasSubstr("s.yaml has a merge key"));
}

TEST(Yaml, AnchorsThatGrowWithoutEndAreRefused) {
  std::string text = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n";
  for (int i = 1; i < 9; ++i) {
    auto const last = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last;
    for (int k = 0; k < 9; ++k) text += ", " + last;
    text += "]\n";
  }
  EXPECT_THAT(complaint_of([&] { parse_yaml(text, "s.yaml"); }), HasSubstr("too many values"));
}

TEST(Yaml, SeveralDocumentsAreRefused) {
  EXPECT_THAT(complaint_of([] { parse_yaml("a: 1\n---\nb: 2\n", "s.yaml"); }), HasSubstr("s.yaml holds several YAML documents"));
  EXPECT_EQ(parse_yaml("---\na: 1\n---\n", "s.yaml")["a"].as<int>(), 1);
  EXPECT_TRUE(parse_yaml("", "s.yaml").IsNull());
  EXPECT_EQ(parse_yaml("# first\n%YAML 1.2\n---\na: b\n...\n", "s.yaml")["a"].as<std::string>(), "b");
}

TEST(Yaml, WhatStandsBehindAListIsRefused) {
  EXPECT_THAT(complaint_of([] { parse_yaml("[W01],[W02]", "The list"); }),
              AllOf(HasSubstr("The list has ',[W02]'"), HasSubstr("[[a], [b]]")));
  EXPECT_EQ(parse_yaml(" ['a]', \"b\\\"]\", [c]]  # end\n", "s.yaml").size(), 3U);
  EXPECT_EQ(parse_yaml("{a: [1], b: {c: 2}}\n", "s.yaml").size(), 2U);
}

TEST(Yaml, KeyAndValue) {
  EXPECT_EQ(key_and_value("a.b=c=d", "--set"), (std::pair<std::string, std::string>("a.b", "c=d")));
  for (auto const* text : {"", "a", "=a", "a="}) {
    EXPECT_THAT(complaint_of([&] { key_and_value(text, "--set"); }), AllOf(HasSubstr("--set"), HasSubstr("key=value"))) << text;
  }
}

TEST(Yaml, OverridesReplaceAndAdd) {
  auto const root = document();
  override_values(root, {"mask.epochs=7", "mask.seeds=[4]", "empty.deep.key=x", "new=1", "mask.epochs=8"});
  EXPECT_EQ(root["mask"]["epochs"].as<int>(), 8);
  EXPECT_EQ(root["mask"]["rate"].as<double>(), 0.5);
  EXPECT_EQ(root["mask"]["seeds"].size(), 1U);
  EXPECT_EQ(root["empty"]["deep"]["key"].as<std::string>(), "x");
  EXPECT_EQ(root["new"].as<int>(), 1);
}

TEST(Yaml, AnOverrideBelowAValueIsRefused) {
  auto const root = document();
  EXPECT_THAT(complaint_of([&] { override_values(root, {"name.x=1"}); }), AllOf(HasSubstr("'name.x'"), HasSubstr("no")));
  EXPECT_THAT(complaint_of([&] { override_values(root, {"mask.seeds.x=1"}); }), HasSubstr("'seeds'"));
  EXPECT_THAT(complaint_of([&] { override_values(root, {"mask.epochs=[1"}); }), HasSubstr("'mask.epochs'"));
}

TEST(Yaml, WhatAValueShouldBeIsSaid) {
  auto const said = [](char const* text) { return YamlValue(YAML::Load(text)).no_value_of<std::uint64_t>(); };
  EXPECT_EQ(said("many"), "must be a whole number from 0, but is 'many'");
  EXPECT_EQ(said("-1"), "must be a whole number from 0, but is '-1'");
  EXPECT_EQ(said("~"), "must be a whole number from 0, but is nothing");
  for (auto const* text : {"0,1,2", "[0, 1]", "0..2", "0:3", "0 1 2", "0-3"})
    EXPECT_THAT(said(text), HasSubstr("--sweep")) << text;
  for (auto const* text : {"1e3", "1.5", "1e-3", "{a: 1}", "a,b"}) EXPECT_THAT(said(text), Not(HasSubstr("--sweep"))) << text;
  EXPECT_THAT(YamlValue(YAML::Load("0,05")).no_value_of<double>(), HasSubstr("decimals have a point"));
  EXPECT_LT(YamlValue(std::string(500, 'x')).no_value_of<int>().size(), 120U);
}

TEST(YamlSection, KnowsTheKeysThatWereRead) {
  auto root = section();
  EXPECT_EQ(root.need<std::string>("name"), "tiny");
  auto mask = root.section("mask");
  int epochs = 0, batch = 9;
  mask.read("epochs", epochs);
  mask.read("batch", batch);
  EXPECT_EQ(std::pair(epochs, batch), std::pair(3, 9));
  EXPECT_THAT(mask.keys(), ElementsAre("epochs", "rate", "seeds"));
  EXPECT_THAT(complaint_of([&] { mask.finish(); }), AllOf(HasSubstr("s.yaml"), HasSubstr("'mask.rate'")));
  EXPECT_TRUE(mask.has("rate") && mask.has("seeds"));
  EXPECT_EQ(complaint_of([&] { mask.finish(); }), "");
  EXPECT_TRUE(root.section("empty").keys().empty() && root.section("absent").keys().empty());
}

TEST(YamlSection, SuggestsTheNearestKey) {
  auto mask = section().section("mask");
  EXPECT_FALSE(mask.has("epoch"));
  EXPECT_TRUE(mask.has("rate") && mask.has("seeds"));
  EXPECT_THAT(complaint_of([&] { mask.finish(); }),
              AllOf(HasSubstr("'mask.epochs' is not a key"), HasSubstr("Did you mean 'epoch'?")));
}

TEST(YamlSection, FaultsNameTheKey) {
  auto root = section();
  int number = 0;
  EXPECT_THAT(complaint_of([&] { root.read("name", number); }), HasSubstr("'name' must be a whole number, but is 'tiny'."));
  EXPECT_THAT(complaint_of([&] { root.need<int>("absent"); }), HasSubstr("'absent' is missing"));
  EXPECT_THAT(complaint_of([&] { root.section("name"); }), HasSubstr("'name' must be a mapping"));
  auto mask = root.section("mask");
  EXPECT_THAT(complaint_of([&] { mask.read_at_least("epochs", number, 4); }), HasSubstr("'mask.epochs' must be at least 4"));
}

}  // namespace
}  // namespace onemask::test
