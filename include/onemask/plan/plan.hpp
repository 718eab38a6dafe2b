#pragma once

#include <onemask/data/candidates.hpp>
#include <onemask/plan/analysis_task.hpp>
#include <onemask/plan/finished_edits.hpp>
#include <onemask/plan/injection.hpp>
#include <onemask/plan/tracing.hpp>
#include <onemask/settings/condition_kind.hpp>
#include <onemask/settings/fingerprints.hpp>
#include <onemask/study/study.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace onemask {

/// Facts whose edits are searched for together; for methods that edit in batches, whose values are. They move each other's last
/// bits, so these units are cut by the study and are part of the objects' keys.
struct EditTask {
  std::size_t set = 0;
  std::size_t round = 0;           ///< place in a sequence of batches
  std::vector<std::size_t> facts;  ///< of the plan
  std::string previous;            ///< the batch edit that the model carries already; empty: none
  std::string key;                 ///< object of the values; empty where every fact's edit is an object (EditSet::keys)
};

/// Facts written into one model together.
struct SolveTask {
  std::size_t set = 0;
  std::size_t round = 0;
  std::vector<std::size_t> facts;
  std::vector<std::string> values;  ///< objects that hold the facts' values; none where the method searches for none
  std::string previous;             ///< the batch edit before it in a sequence; empty: none
  std::string key;                  ///< object
};

/// The directions that AlphaEdit may change a layer in.
struct NullSpaceTask {
  int layer = 0;
  double threshold = 0;
  std::string key;
};

/// All facts of the study under one way of editing.
struct EditSet {
  std::string name;  ///< the swept edit keys, "" when none is swept
  EditOptions options;
  ContextTemplates templates;
  FinishedEdits finished = {};         ///< where edits are imported
  bool in_batches = false;             ///< objects are edited models that hold their facts; else one fact's edit each
  std::string id = {};                 ///< hash of all that decides the edits
  std::vector<std::string> keys = {};  ///< object of every fact's edit, or of the edited model that holds it

  /// Whether the fact is edited: where edits are imported, some may have no file.
  bool edits(std::size_t fact) const { return finished.file_of.empty() || finished.file_of[fact].has_value(); }
};

/// One mask to train on the edits of a set.
struct MaskTask {
  std::size_t set = 0;
  std::string name;      ///< of its study point
  std::string settings;  ///< what it may differ in from masks of other seeds
  std::string split;     ///< that it is trained on
  MaskOptions options = {};
  std::uint64_t seed = 0;
  std::vector<std::size_t> training = {};   ///< facts that it is trained on, ascending
  std::vector<std::size_t> held_back = {};  ///< and those that it is tried on after every epoch
  /// By fact: those of its split that are neither, and those held back from other splits, which are not scored under it; empty:
  /// none.
  std::vector<bool> left_out = {};
  std::vector<std::size_t> members =
      {};                ///< of a consensus, which is not trained: places in Plan::masks of those it is the mean of
  std::string key = {};  ///< object
};

/// What a condition is, for tables; `Condition` in the room eval holds the tensors.
struct PlannedCondition {
  std::string name;
  ConditionKind kind = ConditionKind::original;
  std::size_t set = 0;
  std::ptrdiff_t mask = -1;               ///< index in Plan::masks, -1: none
  Cover cover = Cover::both;              ///< what the mask is put on
  std::optional<Baseline> baseline = {};  ///< one that is more than a plain name
  bool consensus = false;                 ///< whether the mask is the consensus of several seeds
  std::optional<AttentionPatch> patch = {};
};

/// What tells a condition from others of its kind: "magnitude per fact, zeros 0.05"; "" where its kind says all.
std::string variant_of(PlannedCondition const& condition);

/// The conditions of a mask on the edits of a set, or of a set without a mask (-1): `count` in Plan::conditions from `first` on.
struct ConditionGroup {
  std::size_t set = 0;
  std::ptrdiff_t mask = -1;
  std::size_t first = 0, count = 0;
};

/// Some facts scored under the conditions of one group. In the object, facts and conditions are numbered from the task's first.
struct EvaluationTask {
  std::size_t set = 0;
  std::ptrdiff_t mask = -1;  ///< index in Plan::masks; -1: the unedited and the edited model
  std::size_t first = 0, count = 0;
  std::string key;  ///< object
};

/// A piece of the text whose perplexity is taken.
struct TextPiece {
  std::string id;           ///< hash of what is read and scored of it
  std::int64_t tokens = 0;  ///< scored ones
};

/// A model that the text is scored under: a condition that does not depend on a fact, or one of a fact's own edited model.
struct TextModel {
  std::size_t condition = 0;
  std::string split;                     ///< of the facts in the edited model; every_split where nothing is edited
  std::string edited;                    ///< object of the edit, of one fact or a batch; empty: none
  std::vector<std::string> keys;         ///< objects of the pieces' scores
  std::optional<std::size_t> fact = {};  ///< whose own edited model it is
};

/// A piece of the text under a model. Equal models are one: tasks are as many as there are keys.
struct TextTask {
  std::size_t model = 0, piece = 0;
  std::string key;  ///< object
};

/// Everything a study will do, before it is done: a function of the study, the files it names and the model, the same on every
/// rank.
struct Plan {
  std::vector<SplitFact> facts;   ///< those held back from training are of the validation split
  std::vector<KnownCount> known;  ///< what the model knows of the facts that these were chosen among, where splits ask for it
  std::vector<EditSet> sets;
  std::map<int, std::string> moments;  ///< objects of the second moments that editing needs, by layer
  std::vector<NullSpaceTask> null_spaces;
  std::vector<EditTask> edits;
  std::vector<SolveTask> solves;
  std::size_t rounds = 1;  ///< of edits and solves
  std::vector<MaskTask> masks;
  std::vector<PlannedCondition> conditions;
  std::vector<ConditionGroup> condition_groups;  ///< by set, then mask (-1 first)
  std::vector<EvaluationTask> evaluations;       ///< by group, then facts
  std::vector<TextModel> text_models;
  std::vector<TextTask> text_tasks;  ///< model after model
  std::int64_t text_tokens = 0;      ///< that are scored under a model
  std::vector<MaskedValuesTask> masked_values;
  std::vector<MaskedSolveTask> masked_solves;
  /// By set, then mask (none first), its kind, sequence, facts.
  std::vector<InjectionTask> injections;
  std::vector<std::size_t> traced;     ///< facts that are traced
  std::vector<TracingTask> tracings;   ///< by facts, then kind
  std::vector<AnalysisTask> analyses;  ///< by set, then mask (none first), then facts
  std::string id;                      ///< hash of all keys
  std::int64_t out = 0, in = 0;        ///< sizes of a layer's second projection
  int layers = 0;                      ///< of the model

  std::size_t tasks() const;
  /// Places in `conditions` of those that an EvaluationTask of this set and mask scores, in order. Such a group must exist.
  std::vector<std::size_t> conditions_of(std::size_t set, std::ptrdiff_t mask) const;
  /// The layers whose matrices a condition's mask, or for `dropped` all zeros, is put on; ascending.
  std::vector<int> const& masked_layers(PlannedCondition const& condition) const;
  /// Indices of the facts of a split.
  std::vector<std::size_t> facts_of(std::string const& split) const;
};

/// Sets a share of every split that masks are trained on apart as the validation split, as make_plan does.
void hold_back(Study const& study, std::vector<SplitFact>& facts);

/// Whether the fact is scored under the mask.
inline bool is_scored(MaskTask const& mask, std::size_t fact) {
  return mask.left_out.empty() || !mask.left_out[fact];
}

/// `selected` are the study's facts, in the order of its splits. `templates[i]` are the context templates of study.points[i];
/// `moments` the names of the second moments' objects by layer, of the layers that `moment_layers` gives; `text` what perplexity
/// is taken over; `finished[i]` the edits of study.points[i] where they are imported, none at all where no point imports any.
Plan make_plan(Study const& study, SelectedFacts selected, Fingerprints const& fingerprints,
               std::vector<ContextTemplates> const& templates, std::map<int, std::string> const& moments,
               std::vector<TextPiece> const& text = {}, std::vector<FinishedEdits> const& finished = {});

/// The layers whose second moments the study's edits need, ascending.
std::vector<int> moment_layers(Study const& study);
/// The name of a null space's object.
std::string null_space_key(std::string const& moment, double threshold);

}  // namespace onemask
