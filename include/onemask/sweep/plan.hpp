#pragma once

#include <onemask/data/split.hpp>
#include <onemask/edit/context_templates.hpp>
#include <onemask/eval/metrics.hpp>
#include <onemask/sweep/study.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace onemask {

/// Facts edited together. They move each other's last bits, so batches are cut by the study and are part of the edits' keys.
struct EditTask {
  std::size_t set = 0;
  std::size_t first = 0, count = 0;  ///< facts of the plan
};

/// All facts of the study under one way of editing.
struct EditSet {
  std::string name;  ///< the swept edit keys, "" when none is swept
  EditOptions options;
  ContextTemplates templates;
  std::vector<std::string> keys;  ///< object of every fact's edit
};

/// One mask to train on the edits of a set.
struct MaskTask {
  std::size_t set = 0;
  std::string name;  ///< of its study point
  MaskOptions options;
  std::uint64_t seed = 0;
  std::string key;  ///< object
};

/// What a condition is, for tables; `Condition` in the room eval holds the tensors.
struct PlannedCondition {
  std::string name, kind;  ///< kind: original edited mask random magnitude delta_magnitude original_masked
  std::size_t set = 0;
  std::ptrdiff_t mask = -1;  ///< index in Plan::masks, -1: none
};

/// Some facts scored under all conditions of their set.
struct EvaluationTask {
  std::size_t set = 0;
  std::size_t first = 0, count = 0;
  std::string key;  ///< object
};

/// Everything a study will do, before it is done: a function of the study, the files it names and the model, the same on every
/// rank.
struct Plan {
  std::vector<SplitFact> facts;  ///< those held back from training are of the split "validation"
  std::vector<EditSet> sets;
  std::vector<EditTask> edits;
  std::vector<MaskTask> masks;
  std::vector<PlannedCondition> conditions;
  std::vector<EvaluationTask> evaluations;
  std::string id;  ///< hash of all keys

  std::size_t tasks() const { return edits.size() + masks.size() + evaluations.size(); }
  /// Indices of the facts of a split.
  std::vector<std::size_t> facts_of(std::string const& split) const;
};

/// What the bits of results depend on beside the study's settings.
struct Fingerprints {
  std::string model;  ///< weights and dtype
  std::string tokenizer;
  std::string execution;  ///< device kind, products, threads per rank
};

/// `templates[i]` are the context templates of study.points[i].
Plan make_plan(Study const& study, Fingerprints const& fingerprints, std::vector<ContextTemplates> const& templates);

/// The facts of a study in order, a share of the training split set apart as "validation".
std::vector<SplitFact> study_facts(Study const& study);

}  // namespace onemask
