#pragma once

#include <onemask/report/estimate.hpp>
#include <onemask/settings/condition_kind.hpp>
#include <onemask/store/study_file.hpp>

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace onemask {

/// Facts that are averaged together; `every_relation`: all of the split.
struct Group {
  std::string split, relation;

  auto operator<=>(Group const&) const = default;
};

/// A model that was scored.
struct ScoredModel {
  std::string name;
  std::string point;  ///< of the study; "" where it depends on none
  double zeros;       ///< share of the edited matrix
};

/// All models of one kind and variant whose masks have the same settings but for the seed.
struct ModelKind {
  ConditionKind kind;
  std::string variant;   ///< what tells it from others of its kind, "magnitude per fact, zeros 0.05"; "" where there are none
  std::string settings;  ///< of the masks, as far as the study sweeps them
  std::string label;     ///< for people; with the settings where the kind has several
  std::vector<ScoredModel> models;
  std::string train_split = {};  ///< that the masks are trained on; of models without a mask that of the study
};

/// All models of one way of editing.
struct EditedModels {
  std::string edits;             ///< what is swept about editing, "" for nothing
  std::vector<ModelKind> kinds;  ///< those that have a model, in the order of the table that people read

  /// The models of a kind and variant whose masks have these settings, or nullptr.
  ModelKind const* find(ConditionKind kind, std::string const& settings, std::string const& variant = "") const;
};

/// What a kind of models is called in tables: "edited + mask".
std::string label_of_kind(ConditionKind kind);
/// The same with what tells it from others of its kind: "edited + mask, cover delta".
std::string label_of_kind(ConditionKind kind, std::string const& variant);
/// The kind that a study file names. Throws UserError, naming `what` is of that kind, for an unknown one.
ConditionKind kind_of(std::string const& name, std::string const& what);

/// The tables "conditions" and "summary" of a study file, for look-ups.
class Summary {
 public:
  /// Throws UserError when a table or column is missing, or a condition's kind not known.
  explicit Summary(StudyFile const& study);

  /// Adds rows of another table. Their groups stand behind those of the split validation, without one behind all.
  void add(Table const& table);

  /// In the order of the file.
  std::vector<EditedModels> const& edits() const { return edits_; }
  std::vector<Group> const& groups() const { return groups_; }
  /// The groups of all relations of a split.
  std::vector<Group> splits() const;

  std::optional<Estimate> find(std::string const& condition, Group const& group, std::string const& prompts,
                               std::string const& metric) const;
  /// Mean over the kind's models that have the value, of means and interval limits; smallest n, largest planned.
  std::optional<Estimate> mean(ModelKind const& kind, Group const& group, std::string const& prompts,
                               std::string const& metric) const;
  /// The kind's models that have values.
  std::vector<ScoredModel> scored(ModelKind const& kind, Group const& group) const;

 private:
  std::vector<EditedModels> edits_;
  std::vector<Group> groups_;
  std::map<std::tuple<std::string, Group, std::string, std::string>, Estimate> estimates_;
};

/// Of at least one: the mean of the means and of the interval limits, the smallest n, the largest planned.
Estimate mean_of(std::vector<Estimate> const& values);

/// Mean share of zeros; 0 of no models.
double mean_zeros(std::vector<ScoredModel> const& models);

}  // namespace onemask
