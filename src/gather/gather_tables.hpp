#pragma once

#include <onemask/analysis/causal_trace.hpp>
#include <onemask/edit/edit.hpp>
#include <onemask/eval/aggregate.hpp>
#include <onemask/eval/injection_scores.hpp>
#include <onemask/gather/gather.hpp>
#include <onemask/mask/shared_mask.hpp>
#include <onemask/model/perplexity.hpp>
#include <onemask/store/journal.hpp>
#include <onemask/store/study_writer.hpp>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace onemask {

// The tables of study.h5, as docs/results.md describes them.

/// The edit of a fact.
struct EditRow {
  std::size_t set = 0, fact = 0;
  std::string const* object = nullptr;  ///< its key
  EditOutcome outcome;
};

/// What the unedited and the edited model say after a fact's rewrite prompt: 1, 0, or -1 where it is not scored.
struct EditFlags {
  std::int64_t known = -1;      ///< unedited: no token is likelier than the first of the true object
  std::int64_t took = -1;       ///< edited: the new object is likelier than the true one
  std::int64_t took_top1 = -1;  ///< and no token is likelier than its first
};
using EditFlagsByFact = std::map<std::pair<std::size_t, std::size_t>, EditFlags>;  ///< by set and fact

/// An epoch of a mask's training.
struct EpochRow {
  std::string mask;
  std::int64_t epoch = 0;
  MaskEpoch values;
  double zeros = 0;  ///< share of them, cut as the mask is
};

Table facts_table(Plan const& plan);
/// What the model knows of the facts that the splits were chosen among.
Table known_table(Plan const& plan, Study const& study);
Table edits_table(Plan const& plan, std::vector<EditRow> const& rows);
Table flags_table(Plan const& plan, EditFlagsByFact const& flags);
Table epochs_table(std::vector<EpochRow> const& rows);
/// `zeros` by mask: the share that it sets to zero, 0 where it is not trained yet.
Table conditions_table(Plan const& plan, std::vector<double> const& zeros);
/// `scores` of plan.text_models.
Table perplexity_table(Plan const& plan, std::vector<TextScore> const& scores);
/// Models that facts are edited under: a row for every variant of alike tasks; `zeros` as for the conditions.
Table injections_table(Plan const& plan, std::vector<double> const& zeros);
/// Of each row `fact` is the study's, and `variant` the row of the table above.
Table injection_scores_table(std::vector<InjectionScore> const& rows);
/// Of every traced fact the probabilities where nothing is restored; NaN of those that are not traced yet.
Table tracing_facts_table(std::vector<std::size_t> const& facts, std::vector<FactTrace> const& traces);
Table published_table(Published const& published);
Table stages_table(std::vector<StageRecord> const& stages);
Table tasks_table(std::vector<JournalRecord> const& records);
/// Numbers of objects by what made them.
Table makers_table(std::map<std::string, std::size_t> const& objects);

// Those that are long are written in blocks.

std::vector<ColumnForm> metrics_columns(EvaluationPlan const& asked);
/// Facts and conditions are numbered as in the plan.
Table metrics_block(std::vector<PromptMetrics> const& rows, EvaluationPlan const& asked);
std::vector<ColumnForm> tracing_columns();
/// Facts traced by one kind of restored state: a row for every place that a prompt has and every layer.
Table tracing_block(TracingTask const& task, std::vector<FactTrace> const& traces);
std::vector<ColumnForm> summary_columns(Plan const& plan);
Table summary_block(std::vector<SummaryRow> const& rows);

}  // namespace onemask
