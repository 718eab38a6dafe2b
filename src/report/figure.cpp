#include "report/figure.hpp"

#include "report/analysis_picture.hpp"
#include "report/cells.hpp"
#include "report/estimate_columns.hpp"
#include "report/injection.hpp"
#include "report/matrix_picture.hpp"
#include "report/plot_blocks.hpp"
#include "report/study_parts.hpp"
#include "report/summary.hpp"
#include "report/tracing_picture.hpp"
#include <onemask/core/error.hpp>
#include <onemask/report/curve.hpp>
#include <onemask/report/matrix.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

constexpr char const* meaning_of_rsr = "RSR: share of prompts after which the true object is likelier than the new one.";

/// What is shown beside models with the attention of others.
constexpr std::array patched_models{ConditionKind::original, ConditionKind::edited, ConditionKind::mask, ConditionKind::patched};

/// Rows with this text in a column.
Table rows_where(Table const& table, char const* column, std::string const& text) {
  auto const& texts = table.values<std::string>(column);
  Table rows;
  for (auto const& [name, values] : table.columns) {
    std::visit(
        [&](auto const& all) {
          auto kept = all;
          kept.clear();
          for (std::size_t row = 0; row < texts.size(); ++row) {
            if (texts[row] == text) kept.push_back(all[row]);
          }
          rows.columns.emplace_back(name, std::move(kept));
        },
        values);
  }
  return rows;
}

/// Letters, digits and single hyphens; of long texts the beginning, as names of files are limited.
std::string file_word(std::string const& text) {
  std::string word;
  for (char const letter : text) {
    if (std::isalnum(static_cast<unsigned char>(letter)) && static_cast<unsigned char>(letter) < 0x80) {
      word += letter;
    } else if (!word.empty() && word.back() != '-') {
      word += '-';
    }
  }
  constexpr std::size_t longest_word = 160;  // names of files have at most 255 letters
  word.resize(std::min(word.size(), longest_word));
  while (word.ends_with('-')) word.pop_back();
  return word;
}

Table data_of(BarBlock const& block, char const* metric) {
  std::vector<std::string> model, kind;
  EstimateColumns estimates;
  for (auto const& row : block.rows) {
    auto const note = ", n " + counts(row.value);
    model.push_back(row.label.ends_with(note) ? row.label.substr(0, row.label.size() - note.size()) : row.label);
    kind.push_back(row.kind);
    estimates.add(row.value);
  }
  Table table{{{"model", model}, {"kind", kind}}};
  estimates.append_to(table, metric);
  return table;
}

Table data_of(LinePanel const& panel) {
  std::vector<std::string> model, kind;
  std::vector<double> kl;
  EstimateColumns estimates;
  for (auto const& line : panel.lines) {
    for (auto const& [x, y] : line.points) {
      model.push_back(line.label), kind.push_back(line.kind), kl.push_back(x);
      estimates.add(y);
    }
  }
  Table table{{{"model", model}, {"kind", kind}, {"kl", kl}}};
  estimates.append_to(table, "rsr");
  return table;
}

/// What is restored over what is damaged, a point for every kind of model. Variants of one kind, such as the ranks of a
/// baseline, are joined.
LinePanel damage_points(Summary const& summary, EditedModels const& edits, Group const& group) {
  LinePanel panel{heading_of(group.split, edits.edits), "", {}, "KL(original || model), nats", "RSR"};
  std::vector<std::size_t> kinds;
  for (auto const& kind : edits.kinds) {
    auto const rsr = summary.mean(kind, group, "rewrite", "rsr"), kl = summary.mean(kind, group, "rewrite", "kl");
    if (!rsr || !kl) continue;
    auto const name = to_string(kind.kind);
    if (panel.lines.empty() || panel.lines.back().kind != name) {
      panel.lines.push_back({name, label_of(kind, summary.scored(kind, group).size()), {}, false});
      kinds.push_back(0);
    }
    auto& line = panel.lines.back();
    line.points.push_back({kl->mean, *rsr});
    if (++kinds.back() == 1) continue;
    bool const is_variant = label_of_kind(kind.kind) != label_of_kind(kind.kind, "");
    line.is_connected = is_variant;
    auto const first = line.label.substr(0, line.label.find(" to "));
    line.label = is_variant ? first + " to " + kind.variant.substr(kind.variant.rfind(' ') + 1)
                            : fmt::format("{}, {} settings", label_of_kind(kind.kind), kinds.back());
  }
  return panel;
}

/// Nothing where no mask is scored on what the columns are, as in a run in progress.
std::optional<MatrixReport> matrix_if_any(StudyFile const& study, std::optional<MatrixColumns> columns) {
  Summary const summary(study);
  if (summary.splits().empty()) return std::nullopt;
  try {
    return make_matrices(study, {.metric = "rsr", .columns = columns, .split = ""});
  } catch (UserError const&) {
    return std::nullopt;
  }
}

class FigureMaker {
 public:
  FigureMaker(StudyFile const& study, AnalysisReport const& analysis)
      : study_(study), analysis_(analysis), summary_(study), curves_(curves_if_any(study)) {}

  std::vector<ReportFigure> make() && {
    for (auto const& group : summary_.splits()) {
      for (auto const& edits : summary_.edits()) add_split(edits, group);
    }
    add_curves();
    for (auto const& report : matrices_of(study_)) add_matrices(report);
    for (auto const& block : injection_bars(study_)) {
      if (block.rows.empty()) continue;
      add(FigurePlace::injection, "edits-under-masks", block.title, block.title,
          "ES: share of rewrite prompts with P(new) > P(true). Whiskers: 95 % interval.", drawing_of(block),
          data_of(block, "es"));
    }
    for (auto const& group : summary_.splits()) {
      for (auto const& edits : summary_.edits()) add_patches(edits, group);
    }
    add_tracing();
    add_analysis();
    return std::move(figures_);
  }

 private:
  void add(FigurePlace place, std::string const& name, std::string const& heading, std::string const& title,
           std::string const& caption, Drawing drawing, Table data) {
    data.columns.insert(data.columns.begin(), {"status", std::vector<std::string>(data.rows(), need_status(study_))});
    auto unique = name;
    for (int number = 2; std::any_of(figures_.begin(), figures_.end(), [&](auto const& f) { return f.name == unique; }); ++number)
      unique = fmt::format("{}-{}", name, number);
    figures_.push_back({place, unique, heading, title, caption, std::move(drawing), std::move(data)});
  }

  std::string name_of_split(char const* what, std::string const& split, std::string const& edits) const {
    return file_word(std::string(what) + "-" + split + "-" + edits);
  }

  void add_split(EditedModels const& edits, Group const& group) {
    auto bars = rsr_bars(summary_, edits, group);
    std::erase_if(bars.rows, is_patched);  // these have a figure of their own
    if (bars.rows.empty()) return;
    add(FigurePlace::splits, name_of_split("rsr", group.split, edits.edits), bars.title, "RSR: " + bars.title,
        std::string(meaning_of_rsr) + " Whiskers: 95 % interval.", drawing_of(bars), data_of(bars, "rsr"));
    auto const points = damage_points(summary_, edits, group);
    if (!curves_.empty() || points.lines.empty()) return;  // curves show it
    add(FigurePlace::splits, name_of_split("damage", group.split, edits.edits), points.title, "RSR over KL: " + points.title,
        std::string(meaning_of_rsr) + " KL to the original model on the same prompts. Whiskers: 95 % interval of RSR.",
        drawing_of(points), data_of(points));
  }

  void add_curves() {
    for (auto first = curves_.begin(); first != curves_.end();) {
      auto const last = std::find_if(
          first, curves_.end(), [&](auto const& curve) { return curve.split != first->split || curve.edits != first->edits; });
      std::vector<Curve> const of(first, last);
      bool over_kl = false;
      for (auto const& panel : curve_panels(of)) {
        add(FigurePlace::curves, name_of_split(over_kl ? "curve-kl" : "curve", first->split, first->edits),
            heading_of(first->split, first->edits), panel.title,
            std::string(meaning_of_rsr) + (over_kl ? " KL to the original model on the same prompts." : "") +
                " Bands: 95 % interval.",
            drawing_of(panel), curve_table(study_, of));
        over_kl = true;
      }
      first = last;
    }
  }

  void add_matrices(MatrixReport const& report) {
    for (auto const& matrix : report.matrices) {
      auto one = report;
      one.matrices = {matrix};
      auto table = matrix_table(one);
      table.columns.erase(table.columns.begin());  // the status, which all figures get
      auto const title = title_of(matrix, report.request);
      add(FigurePlace::matrices,
          file_word("matrix-" + name_of(matrix_columns_names, *report.request.columns) + "-" + matrix.edits), title, title,
          "A row is a mask, a column what it is scored on. Frame: where the mask was trained.",
          drawing_of(matrix, report.request), std::move(table));
    }
  }

  static bool is_patched(BarRow const& row) { return row.kind == to_string(ConditionKind::patched); }

  /// Models with the attention of others, beside those that they are made of.
  void add_patches(EditedModels const& edits, Group const& group) {
    auto bars = rsr_bars(summary_, edits, group);
    if (std::none_of(bars.rows.begin(), bars.rows.end(), is_patched)) return;
    std::erase_if(bars.rows, [](auto const& row) {
      return std::none_of(patched_models.begin(), patched_models.end(), [&](auto kind) { return row.kind == to_string(kind); });
    });
    add(FigurePlace::patching, name_of_split("patched", group.split, edits.edits), bars.title, "RSR: " + bars.title,
        std::string(meaning_of_rsr) + " X+attention(Y): the model X with the attention of the model Y. Whiskers: 95 % interval.",
        drawing_of(bars), data_of(bars, "rsr"));
  }

  void add_tracing() {
    if (!study_.tables.contains("tracing")) return;
    TracingReport const report(study_);
    auto const all = tracing_table(study_);
    for (auto const& kind : report.kinds()) {
      auto const name = name_of(trace_kind_names, kind.kind);
      auto data = rows_where(all, "kind", name);
      data.columns.erase(data.columns.begin());  // the status, which all figures get
      add(FigurePlace::tracing, "tracing-" + name, report.split(),
          "Restoring " + words_of_kind(kind.kind, study_) + " " + preposition_of(kind.kind) + " each layer; split " +
              report.split(),
          "What that adds to the probability of the true object's first token behind a corrupted subject: mean over facts.",
          drawing_of(report, kind), std::move(data));
    }
  }

  void add_analysis() {
    for (auto const& table : analysis_.tables) {
      if (!table.is_drawn) continue;
      auto data = analysis_cells(study_, {{table}, {}});
      data.columns.erase(data.columns.begin());
      auto const title = title_of(table);
      add(FigurePlace::analysis, file_word("inside-" + title), title, title,
          table.kinds.empty() ? "Mean over facts, by place in the prompt." : "Mean over facts. Bands: 95 % interval.",
          drawing_of(table), std::move(data));
    }
  }

  StudyFile const& study_;
  AnalysisReport const& analysis_;
  Summary summary_;
  std::vector<Curve> curves_;
  std::vector<ReportFigure> figures_;
};

}  // namespace

std::vector<MatrixReport> matrices_of(StudyFile const& study) {
  auto const first = matrix_if_any(study, std::nullopt);
  if (!first) return {};
  auto const rows = first->matrices.front().rows.size();
  std::vector<MatrixReport> reports;
  for (auto const columns : {MatrixColumns::edits, MatrixColumns::split, MatrixColumns::relation}) {
    if (columns == MatrixColumns::edits && first->request.columns != columns) continue;
    // One mask on all splits, or on all relations where there is one, is what the bars show.
    auto report = columns == first->request.columns ? first : matrix_if_any(study, columns);
    bool const more = report && report->matrices.front().columns.size() > (columns == MatrixColumns::relation ? 2U : 1U) &&
                      (rows > 1 || columns == MatrixColumns::relation);
    if (more) reports.push_back(std::move(*report));
  }
  return reports;
}

AnalysisReport analysis_if_any(StudyFile const& study) {
  return study.tables.contains("analyses") ? make_analysis(study) : AnalysisReport();
}

std::vector<ReportFigure> figures_of(StudyFile const& study, AnalysisReport const& analysis) {
  return FigureMaker(study, analysis).make();
}

}  // namespace onemask
