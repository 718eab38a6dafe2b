#pragma once

#include <onemask/store/study_file.hpp>

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace onemask {

/// Facts that are averaged together; relation "all": every relation of the split.
struct Group {
  std::string split, relation;

  auto operator<=>(Group const&) const = default;
};

/// A mean with its 95 % interval, over n of the planned facts.
struct Estimate {
  double mean, low, high;
  std::int64_t n, planned;
};

/// A model that was scored.
struct ScoredModel {
  std::string name;
  std::string point;  ///< of the study; "" where it depends on none
  double zeros;       ///< share of the edited matrix
};

/// All models of one kind.
struct ModelKind {
  std::string label;
  std::vector<ScoredModel> models;
};

/// The tables "conditions" and "summary" of a study file, for look-ups.
class Summary {
 public:
  /// Throws UserError when a table or column is missing, or a condition's kind not known.
  explicit Summary(StudyFile const& study);

  /// Those that have a model, in the order of the table that people read.
  std::vector<ModelKind> const& kinds() const { return kinds_; }
  /// In the order of the file.
  std::vector<Group> const& groups() const { return groups_; }

  std::optional<Estimate> find(std::string const& condition, Group const& group, std::string const& prompts,
                               std::string const& metric) const;
  /// Mean over the kind's models that have the value, of means and interval limits; smallest n, largest planned.
  std::optional<Estimate> mean(ModelKind const& kind, Group const& group, std::string const& prompts,
                               std::string const& metric) const;
  /// The kind's models that have values.
  std::vector<ScoredModel> scored(ModelKind const& kind, Group const& group) const;

 private:
  std::vector<ModelKind> kinds_;
  std::vector<Group> groups_;
  std::map<std::tuple<std::string, Group, std::string, std::string>, Estimate> estimates_;
};

}  // namespace onemask
