#include "support/tiny_study.hpp"
#include <onemask/study/keys.hpp>

#include <algorithm>
#include <functional>
#include <set>

#include <gmock/gmock.h>

namespace onemask::test {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(StudyKeys, EachOnceWithItsMeaning) {
  std::set<std::string> seen;
  for (auto const& key : study_keys()) {
    EXPECT_TRUE(seen.insert(key.key).second) << key.key;
    EXPECT_FALSE(key.meaning.empty() || key.values.empty()) << key.key;
    EXPECT_EQ(key.meaning.find_first_of("|\n"), std::string::npos) << key.key;  // a cell of a table
  }
  for (auto const* key :
       {"name", "model.threads", "facts.SPLIT.limit", "facts.SPLIT.known", "edit.v_lr", "edit.batch", "mask.layers",
        "mask.epochs", "moments.tokens", "evaluation.baselines", "perplexity.stride", "published.figures", "sweep.KEY"})
    EXPECT_TRUE(seen.contains(key)) << key;
}

TEST(StudyKeys, TheSchemaHasEveryKey) {
  auto const schema = nlohmann::json::parse(study_schema());
  auto const& mask = schema["properties"]["mask"]["anyOf"][1];
  EXPECT_EQ(mask["properties"]["epochs"]["type"], "integer");
  EXPECT_EQ(mask["properties"]["epochs"]["minimum"], 1);
  EXPECT_EQ(mask["properties"]["epochs"]["default"], 301);
  EXPECT_EQ(mask["properties"]["restoration"]["enum"].size(), 3U);
  EXPECT_EQ(mask["additionalProperties"], false);
  EXPECT_EQ(mask["properties"]["zeros"]["anyOf"][1]["items"]["exclusiveMaximum"], 1);
  auto const& facts = schema["properties"]["facts"]["additionalProperties"];
  EXPECT_TRUE(facts["properties"].contains("files"));
  EXPECT_EQ(facts["required"], nlohmann::json::array({"files"}));
  EXPECT_EQ(schema["required"], nlohmann::json::array({"name", "model", "facts"}));
}

/// Whether a value is what a part of the schema allows, as far as studies' schema goes.
bool fits(nlohmann::json const& value, nlohmann::json const& schema) {
  auto const is = [&](std::string const& type) {
    return type == "object"    ? value.is_object()
           : type == "array"   ? value.is_array()
           : type == "string"  ? value.is_string()
           : type == "boolean" ? value.is_boolean()
           : type == "integer" ? value.is_number_integer()
           : type == "number"  ? value.is_number()
                               : value.is_null();
  };
  for (auto const& [word, said] : schema.items()) {
    auto const& claim = said;
    auto const fits_it = [&](auto const& other) { return fits(value, other); };
    bool holds = true;
    if (word == "type") {
      holds = claim.is_array() ? std::any_of(claim.begin(), claim.end(), [&](auto const& type) { return is(type); }) : is(claim);
    } else if (word == "const") {
      holds = value == claim;
    } else if (word == "enum") {
      holds = std::find(claim.begin(), claim.end(), value) != claim.end();
    } else if (word == "anyOf") {
      holds = std::any_of(claim.begin(), claim.end(), fits_it);
    } else if (word == "items") {
      holds = std::all_of(value.begin(), value.end(), [&](auto const& item) { return fits(item, claim); });
    } else if (word == "minimum") {
      holds = value >= claim;
    } else if (word == "exclusiveMinimum") {
      holds = value > claim;
    } else if (word == "maximum") {
      holds = value <= claim;
    } else if (word == "exclusiveMaximum") {
      holds = value < claim;
    }
    if (!holds) return false;
  }
  return true;
}

/// Calls `look` with the schema of every key and section.
void for_every_key(nlohmann::json const& schema, std::string const& name,
                   std::function<void(std::string const& name, nlohmann::json const& schema)> const& look) {
  look(name, schema);
  if (schema.contains("properties")) {
    for (auto const& [key, its] : schema["properties"].items()) for_every_key(its, name + "." + key, look);
  }
  if (schema.contains("anyOf")) {
    for (auto const& its : schema["anyOf"]) for_every_key(its, name, look);
  }
  if (schema.contains("additionalProperties") && schema["additionalProperties"].is_object())
    for_every_key(schema["additionalProperties"], name + ".*", look);
}

TEST(StudyKeys, EveryDefaultIsWhatItsOwnSchemaAllows) {
  std::size_t defaults = 0;
  for_every_key(nlohmann::json::parse(study_schema()), "", [&](std::string const& name, nlohmann::json const& schema) {
    if (!schema.contains("default")) return;
    ++defaults;
    EXPECT_TRUE(fits(schema["default"], schema)) << name << ": " << schema;
  });
  EXPECT_GT(defaults, 40U);
  EXPECT_FALSE(fits("[random]", {{"type", "array"}}));
  EXPECT_FALSE(fits(0, {{"type", "integer"}, {"minimum", 1}}));
}

TEST(StudyKeys, DefaultsAreValuesAndNotTheirDescriptions) {
  auto const schema = nlohmann::json::parse(study_schema());
  auto const& sections = schema["properties"];
  EXPECT_EQ(sections["evaluation"]["properties"]["baselines"]["default"],
            nlohmann::json::array({"random", "magnitude", "delta_magnitude"}));
  EXPECT_FALSE(sections["edit"]["anyOf"][1]["properties"]["templates"].contains("default"));
  EXPECT_FALSE(sections["mask"]["anyOf"][1]["properties"]["methods"].contains("default"));
  EXPECT_EQ(sections["mask"]["anyOf"][1]["properties"]["layers"]["default"], "last");
}

TEST(StudyKeys, ASectionMayBeEmptyWhereNothingInItMustBeGiven) {
  auto const schema = nlohmann::json::parse(study_schema());
  for (auto const* name : {"moments", "evaluation", "perplexity", "published", "mask", "sweep"})
    EXPECT_TRUE(fits(nullptr, schema["properties"][name])) << name;
  for (auto const* name : {"model", "facts"}) EXPECT_FALSE(fits(nullptr, schema["properties"][name])) << name;
}

class DefaultsTest : public StudyFolder {};

TEST_F(DefaultsTest, EverySettingIsWrittenAndReadAgain) {
  StudyOverrides const overrides{{"mask.epochs=50", "edit.v_lr=3"}, {"mask.seed=3..4", "edit.layer=0,1"}, {}};
  auto const first = read(overrides);
  auto const text = with_defaults(first);
  EXPECT_THAT(text, HasSubstr("epochs: 50"));
  EXPECT_THAT(text, HasSubstr("learning_rate: 0.001"));
  EXPECT_THAT(text, HasSubstr("clamp_norm_factor: 4"));
  EXPECT_THAT(text, HasSubstr("masked_original: true"));
  write_study(text);
  auto const again = read();
  ASSERT_EQ(again.points.size(), first.points.size());
  for (std::size_t p = 0; p < first.points.size(); ++p) {
    auto const &one = first.points[p], &other = again.points[p];
    EXPECT_EQ(other.name, one.name);
    EXPECT_EQ(other.mask_seed, one.mask_seed);
    EXPECT_EQ(describe(other.mask), describe(one.mask));
    EXPECT_EQ(describe(other.edit.hparams), describe(one.edit.hparams));
    EXPECT_EQ(describe_solve(other.edit.hparams), describe_solve(one.edit.hparams));
  }
  EXPECT_EQ(with_defaults(again), text);
}

TEST_F(DefaultsTest, SweptFilesKeepTheirOwnSettings) {
  auto other = hparams_text;
  write_file_atomically(folder_ / "other.yaml", other.replace(other.find("v_lr: 0.5"), 9, "v_lr: 0.7"));
  write_study(with_defaults(read({{"mask=none"}, {"edit.hparams=rome.yaml,other.yaml"}, {}})));
  auto const again = read();
  EXPECT_EQ(again.points[0].edit.hparams.v_lr, 0.5);
  EXPECT_EQ(again.points[1].edit.hparams.v_lr, 0.7);
  EXPECT_FALSE(again.masks);
}

}  // namespace
}  // namespace onemask::test
