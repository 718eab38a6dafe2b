#include "plan/plan_of.hpp"
#include "support/tiny_study.hpp"
#include <onemask/plan/plan.hpp>

#include <algorithm>
#include <map>
#include <optional>

#include <gmock/gmock.h>
#include <yaml-cpp/yaml.h>

namespace onemask::test {
namespace {

/// The names of a plan's objects, in the order that they are made in.
std::map<Enters, std::string> objects_of(Plan const& plan) {
  std::map<Enters, std::string> names;
  for (auto const& task : plan.edits) names[Enters::edits] += task.key;
  for (auto const& set : plan.sets) {
    if (set.in_batches) continue;
    for (auto const& key : set.keys) names[Enters::edits] += key;
  }
  for (auto const& task : plan.solves) names[Enters::solve] += task.key;
  for (auto const& mask : plan.masks) names[Enters::mask] += mask.key;
  for (auto const& task : plan.evaluations) names[Enters::scores] += task.key;
  return names;
}

/// The first objects whose names differ; nothing where none do.
Enters first_changed(Plan const& plan, Plan const& other) {
  auto before = objects_of(plan), after = objects_of(other);
  for (auto objects : {Enters::edits, Enters::solve, Enters::mask, Enters::scores}) {
    if (before[objects] != after[objects]) return objects;
  }
  return Enters::nothing;
}

/// Takes a value that the field does not have yet.
template <typename Options>
void change(Field<Options> const& field, Options& options) {
  auto const before = field.text(options);
  std::vector<std::string> values{"false", "true", "0", "1", "3", "0.5", "[0]", "[[7, 3]]", "{1: other.npz}", "other"};
  values.insert(values.begin(), field.choices.begin(), field.choices.end());
  if (!field.choices.empty()) values.push_back("[" + field.choices.back() + "]");
  for (auto const& value : values) {
    auto other = options;
    if (!field.set(other, YAML::Load(value)).empty() || field.text(other) == before) continue;
    options = other;
    return;
  }
  FAIL() << "no other value for " << field.name;
}

/// Changes every field of a struct of a study, under every method of editing; `of` finds the struct.
class FieldsTest : public StudyFolder {
 protected:
  template <typename Options>
  void every_field_enters_what_its_table_says(std::vector<std::string> const& set, Options& (*of)(Study&),
                                              std::vector<std::string> const& set_for_batches = {},
                                              std::vector<std::string> const& sweep = {}) const {
    for (auto const& field : fields_of<Options>()) {
      std::optional<Enters> first;
      for (auto const& method : edit_method_names) {
        auto more = set;
        more.push_back(std::string("edit.method=") + method.name);
        if (edits_in_batches(method.value)) more.insert(more.end(), set_for_batches.begin(), set_for_batches.end());
        auto study = read({more, sweep, {}});
        auto const before = plan_of(study);
        bool const used = field.used_for(of(study));
        change(field, of(study));
        std::optional<Plan> after;
        try {
          after = plan_of(study);
        } catch (UserError const&) {
          continue;  // the method does not go with it
        }
        auto const entered = first_changed(before, *after);
        EXPECT_TRUE(used || entered == Enters::nothing) << field.name << " with " << method.name;
        if (entered != Enters::nothing) first = std::min(first.value_or(entered), entered);
      }
      auto const declared = field.enters == Enters::content ? Enters::nothing : field.enters;
      EXPECT_EQ(static_cast<int>(first.value_or(Enters::nothing)), static_cast<int>(declared)) << field.name;
    }
  }
};

std::string const moments = "moments.text=corpus.txt", unmasked = "mask=none";

TEST_F(FieldsTest, OfMasks) {
  every_field_enters_what_its_table_says<MaskOptions>({moments},
                                                      [](Study& study) -> MaskOptions& { return study.points.front().mask; });
}

TEST_F(FieldsTest, OfEditing) {
  every_field_enters_what_its_table_says<EditHparams>(
      {moments, unmasked}, [](Study& study) -> EditHparams& { return study.points.front().edit.hparams; });
}

TEST_F(FieldsTest, OfTheWayFactsAreEdited) {
  every_field_enters_what_its_table_says<EditOptions>(
      {moments, unmasked}, [](Study& study) -> EditOptions& { return study.points.front().edit; }, {"edit.facts_per_model=2"});
}

TEST_F(FieldsTest, OfScores) {
  every_field_enters_what_its_table_says<EvaluationPlan>(
      {moments}, [](Study& study) -> EvaluationPlan& { return study.evaluation; }, {}, {"edit.batch=8,16"});
}

TEST_F(FieldsTest, OfTheModel) {
  every_field_enters_what_its_table_says<ModelOptions>({moments}, [](Study& study) -> ModelOptions& { return study.model; });
}

}  // namespace
}  // namespace onemask::test
