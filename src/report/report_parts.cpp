#include "report/report_parts.hpp"

#include "report/cells.hpp"
#include "report/finding.hpp"
#include "report/injection.hpp"
#include "report/known.hpp"
#include "report/mixture.hpp"
#include "report/patching.hpp"
#include "report/perplexity.hpp"
#include "report/published.hpp"
#include "report/quality.hpp"
#include "report/split_counts.hpp"
#include "report/study_parts.hpp"
#include "report/summary.hpp"
#include <onemask/core/reserved_names.hpp>
#include <onemask/core/text.hpp>
#include <onemask/report/text_table.hpp>

#include <algorithm>

namespace onemask {
namespace {

constexpr std::size_t longest_model = 42;  // leaves 88 of the 130 columns to the numbers

/// The cells after the label, from what `find(prompts, metric)` knows. Zeros of a model without scores are not known for sure:
/// its mask may be untrained.
template <class Find>
std::vector<std::string> cells(double zeros, Find const& find) {
  std::optional<Estimate> const rsr = find("rewrite", "rsr");
  auto const mean = [&](char const* prompts, char const* metric, auto const& format) {
    std::optional<Estimate> const value = find(prompts, metric);
    if (!value) return std::string("-");
    bool const of_others = rsr && rsr->n != value->n;
    return format(value->mean) + (of_others ? " (n " + std::to_string(value->n) + ")" : "");
  };
  return {rsr ? percent(zeros) : "-",
          rsr ? percent(rsr->mean) : "-",
          rsr ? interval(*rsr) : "-",
          rsr ? counts(*rsr) : "-",
          mean("paraphrase", "rsr", percent),
          mean("rewrite", "kl", [](double value) { return number(value, 3); }),
          mean("rewrite", "top1_changed", percent)};
}

void add_kind(TextTable& table, Summary const& summary, ModelKind const& kind, Group const& group, bool per_mask) {
  auto const scored = summary.scored(kind, group);
  add_row(table, label_of(kind, scored.size()),
          cells(mean_zeros(scored), [&](auto prompts, auto metric) { return summary.mean(kind, group, prompts, metric); }),
          longest_model);
  if (!per_mask || kind.models.size() < 2) return;
  for (auto const& model : kind.models) {
    add_row(table, "  " + (model.point.empty() ? model.name : model.point),
            cells(model.zeros, [&](auto prompts, auto metric) { return summary.find(model.name, group, prompts, metric); }),
            longest_model);
  }
}

std::vector<DocumentBlock> stage_times(StudyFile const& study) {
  if (!study.tables.contains(stages_table)) return {};
  auto const& stages = need_table(study, stages_table);
  if (stages.rows() == 0) return {};
  auto const& names = stages.values<std::string>("name");
  auto const& seconds = stages.values<double>("seconds");
  TextTable table;
  table.add({"stage", "wall time", "tasks", "done before", "ranks"});
  for (std::size_t row = 0; row < stages.rows(); ++row) {
    auto const count = [&](char const* column) { return std::to_string(stages.values<std::int64_t>(column)[row]); };
    table.add({names[row], format_duration(seconds[row]), count("tasks"), count("done_before"), count("ranks")});
  }
  return {{"", std::move(table), ""}};
}

constexpr char const* definitions =
    "zeros: share of the edited matrix that is set to zero. The baselines have as many zeros as the mask. random: at random\n"
    "positions; magnitude: at the largest weights; delta magnitude: at the entries that the training edits change most on "
    "average.\n"
    "RSR: share of prompts after which the true object is likelier than the new one; mean over facts.\n"
    "[low, high]: 95 % interval of that mean (percentile bootstrap over facts; Clopper and Pearson's where it is 0 or 100 %).\n"
    "n/planned: facts in the mean, facts planned.\n"
    "KL: KL(original || model) of the next token's distribution on rewrite prompts, in nats.\n"
    "top-1 changed: share of rewrite prompts whose likeliest next token is not the original model's.\n";

constexpr char const* variant_definitions =
    "per fact, bottom rank, shrink: made from each fact's own edited matrix; all others are shared by the facts. Baselines with "
    "a\n"
    "share of zeros of their own have that one. fill original: pruned entries become those of the unedited matrix.\n"
    "bottom rank, k: without the k largest singular components of the matrix. shrink, alpha: the matrix times this factor.\n"
    "cover delta: the mask is put on the change by the edit alone; cover weight: on the unedited matrix alone.\n";

constexpr char const* whole_training_definition =
    "+validation: the training facts together with those held back from training, which others count as training facts.\n";

constexpr char const* definition_of_mean =
    "mean of k: mean over k models of the kind. Its interval is the mean of their lows and of their highs; n is the smallest.\n";

}  // namespace

ReportParts report_parts(StudyFile const& study, TableOptions const& options) {
  ReportParts parts;
  Summary summary(study);
  bool const with_whole_training = study.tables.contains(whole_training_table);
  if (with_whole_training) summary.add(need_table(study, whole_training_table));
  parts.stages = stage_times(study);
  parts.findings = findings(study);
  parts.few_facts = warnings_of_few_facts(study);
  if (summary.groups().empty()) return parts;
  bool several = false, with_variants = false, with_patches = false;
  std::vector<char const*> quality_definitions;
  for (auto const& group : summary.groups()) {
    if (group.relation != every_relation && !options.by_relation) continue;
    for (auto const& edits : summary.edits()) {
      auto const heading = "Split " + group.split + (group.relation == every_relation ? "" : ", relation " + group.relation) +
                           (edits.edits.empty() ? "" : ", " + edits.edits) + known_note(study, group);
      TextTable table;
      table.add({"model", "zeros %", "RSR %", "95 % interval", "n/planned", "paraphrases RSR %", "KL", "top-1 changed %"});
      for (auto const& kind : edits.kinds) {
        add_kind(table, summary, kind, group, options.per_mask);
        several = several || kind.models.size() > 1;
        bool const patched = kind.kind == ConditionKind::patched;
        with_variants = with_variants || (!kind.variant.empty() && !patched);
        with_patches = with_patches || patched;
      }
      parts.splits.push_back({heading, std::move(table), ""});
      for (auto& [block, definition] : quality_blocks(summary, edits, group, options.per_mask)) {
        parts.splits.push_back(std::move(block));
        auto& known = quality_definitions;
        if (std::find(known.begin(), known.end(), definition) == known.end()) known.push_back(definition);
      }
    }
  }
  parts.injection = injection_blocks(study, options.per_mask);
  Perplexities const perplexities(study);
  auto const of_text = perplexity_blocks(perplexities, summary);
  auto const of_single_edits = single_edit_blocks(perplexities, summary);
  parts.perplexity = of_text;
  parts.perplexity.insert(parts.perplexity.end(), of_single_edits.begin(), of_single_edits.end());
  parts.published = published_blocks(study, summary, perplexities);
  parts.mixture = mixture_of_kinds(study);
  parts.definitions = std::string(definitions) + (with_variants ? variant_definitions : "") +
                      (with_patches ? patching_definition : "") + (with_whole_training ? whole_training_definition : "") +
                      (study.tables.contains("known") ? known_definition : "") +
                      join(quality_definitions, "", [](auto const* lines) { return lines; }) +
                      (parts.injection.empty() ? "" : injection_definitions) + (of_text.empty() ? "" : perplexity_definition) +
                      (of_single_edits.empty() ? "" : single_edit_definition) + (several ? definition_of_mean : "");
  return parts;
}

}  // namespace onemask
