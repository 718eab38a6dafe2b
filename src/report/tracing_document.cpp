#include "report/cells.hpp"
#include "report/estimate_columns.hpp"
#include "report/phrases.hpp"
#include "report/study_parts.hpp"
#include "report/tracing_picture.hpp"
#include <onemask/report/tracing.hpp>

#include <algorithm>

#include <fmt/core.h>

namespace onemask {
namespace {

/// "12.3 [10.1, 14.5]", in points.
std::string points_of_effect(Estimate const& value) {
  return percent(value.mean) + " " + interval(value);
}

/// How many prompts have each place.
std::vector<std::string> counts_of_places(TracingReport const& report, TracedKind const& kind) {
  std::vector<std::string> cells{"n/planned"};
  for (auto const& [place, name] : trace_place_names) {
    auto const value = report.effect(kind, place, 0);
    cells.push_back(value ? counts(*value) : "-");
  }
  return cells;
}

TextTable effects_of(TracingReport const& report, TracedKind const& kind) {
  TextTable table;
  std::vector<std::string> head{"layer"};
  for (auto const& [place, name] : trace_place_names) head.push_back(words_of_place(place));
  table.add(head);
  table.add(counts_of_places(report, kind));
  for (int layer = 0; layer < report.layers(); ++layer) {
    std::vector<std::string> cells{std::to_string(layer)};
    for (auto const& [place, name] : trace_place_names) {
      auto const value = report.effect(kind, place, layer);
      cells.push_back(value ? points_of_effect(*value) : "-");
    }
    table.add(cells);
  }
  return table;
}

TextTable probabilities_of(TracingReport const& report) {
  TextTable table;
  table.add({"P(true object) %", "first token", "95 % interval", "whole object", "95 % interval", "n/planned"});
  auto const add = [&](char const* what, std::optional<Estimate> const& token, std::optional<Estimate> const& object) {
    if (token)
      table.add({what, percent(token->mean), interval(*token), percent(object->mean), interval(*object), counts(*token)});
  };
  add("clean", report.clean(), report.object_clean());
  add("subject corrupted", report.corrupted(), report.object_corrupted());
  return table;
}

std::string sentence_of_peak(TracingReport const& report, StudyFile const& study, TraceKind kind, TracePlace place) {
  auto const found = report.peak(kind, place);
  if (!found) return "";
  auto const layers = found->low == found->high ? fmt::format("layer {} in 95 % of resamples", found->low)
                                                : fmt::format("layers {} to {} in 95 % of resamples", found->low, found->high);
  auto const where = place == TracePlace::subject_last ? "the subject's last token" : "the prompt's last token";
  if (found->effect.low <= 0) {
    return fmt::format(". Restoring {} at {} brings back nothing that is clear in any layer (at most {} points [{}, {}])",
                       words_of_kind(kind, study), where, number(100 * found->effect.mean, 1), number(100 * found->effect.low, 1),
                       number(100 * found->effect.high, 1));
  }
  return fmt::format(". Restoring {} at {} brings back most {} layer {} ({}): {} points [{}, {}]", words_of_kind(kind, study),
                     where, preposition_of(kind), found->layer, layers, number(100 * found->effect.mean, 1),
                     number(100 * found->effect.low, 1), number(100 * found->effect.high, 1));
}

constexpr char const* definitions_of_tracing =
    "Causal tracing (arXiv 2202.05262): normal noise is added to the embeddings of the subject's tokens, and a clean state is "
    "put "
    "back\n"
    "at a token. A cell is the effect of that, P(first token of the true object) where the state is restored less P where "
    "nothing "
    "is,\n"
    "in points: the mean over the samples of the noise and the tokens of the place, then over facts. [low, high]: 95 % interval\n"
    "(bootstrap over facts). n: facts whose prompt has a token of the place; a subject's only token is its last.\n";

}  // namespace

std::vector<std::string> tracing_findings(StudyFile const& study) {
  if (!study.tables.contains("tracing")) return {};
  TracingReport const report(study);
  auto const clean = report.clean(), corrupted = report.corrupted();
  if (!clean) return {};
  auto const so_far_text = so_far(study);
  auto text = fmt::format(
      "Causal tracing of {}: {}the first token of the true object has a probability of {}, and of {} where noise ({} times the "
      "standard deviation of the subjects' embeddings) corrupts the subject",
      facts_text(train_split_of(study), report.split(), *clean), so_far_text.empty() ? "" : so_far_text + ", ",
      share_text(*clean), share_text(*corrupted), need_attribute(study, "tracing_noise"));
  text += sentence_of_peak(report, study, TraceKind::mlp, TracePlace::subject_last);
  text += sentence_of_peak(report, study, TraceKind::attention, TracePlace::last_token);
  text += sentence_of_peak(report, study, TraceKind::state, TracePlace::subject_last);
  return {text + "."};
}

Document tracing_document(StudyFile const& study) {
  TracingReport const report(study);
  Document document{status_line(study), {}};
  auto& blocks = document.blocks;
  blocks.push_back({"Causal tracing, split " + report.split(), probabilities_of(report), ""});
  for (auto const& kind : report.kinds())
    blocks.push_back({"Restoring " + words_of_kind(kind.kind, study) + " " + preposition_of(kind.kind) + " each layer [points]",
                      effects_of(report, kind), ""});
  auto const found = tracing_findings(study);
  for (auto const& sentence : found) blocks.push_back({"", {}, wrapped(sentence, line_width)});
  if (found.empty()) blocks.push_back({"", {}, "No fact is traced yet.\n"});
  blocks.push_back({"", {}, definitions_of_tracing});
  return document;
}

Table tracing_table(StudyFile const& study) {
  TracingReport const report(study);
  std::vector<std::string> status, kinds, places;
  std::vector<std::int64_t> layers;
  EstimateColumns estimates;
  auto const add = [&](std::string const& kind, std::string const& place, int layer, std::optional<Estimate> const& value) {
    if (!value) return;
    status.push_back(need_status(study)), kinds.push_back(kind), places.push_back(place), layers.push_back(layer);
    estimates.add(*value);
  };
  add("clean", "", -1, report.clean());
  add("corrupted", "", -1, report.corrupted());
  for (auto const& kind : report.kinds()) {
    for (auto const& [place, name] : trace_place_names) {
      for (int layer = 0; layer < report.layers(); ++layer)
        add(name_of(trace_kind_names, kind.kind), name, layer, report.effect(kind, place, layer));
    }
  }
  Table table{{{"status", status}, {"kind", kinds}, {"place", places}, {"layer", layers}}};
  estimates.append_to(table);
  return table;
}

}  // namespace onemask
