#include "report/cells.hpp"
#include "report/study_parts.hpp"
#include <onemask/report/analysis.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/core.h>

namespace onemask {
namespace {

std::string value_text(AnalysisTable const& table, double value) {
  return table.percent ? percent(value) : number(value, table.decimals);
}

std::string cell_text(AnalysisTable const& table, std::optional<AnalysisCell> const& cell) {
  if (!cell) return "-";
  auto const& value = cell->value;
  auto text = value_text(table, value.mean);
  if (!std::isnan(value.low)) text += " [" + value_text(table, value.low) + ", " + value_text(table, value.high) + "]";
  return cell->p ? text + " p " + p_text(*cell->p) : text;
}

/// "n 100/100", or of each column.
std::string facts_of(AnalysisTable const& table) {
  std::vector<std::string> counted;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    std::optional<Estimate> least;
    for (auto const& row : table.rows) {
      if (row.cells[c] && (!least || row.cells[c]->value.n < least->n)) least = row.cells[c]->value;
    }
    if (least) counted.push_back(counts(*least));
  }
  std::sort(counted.begin(), counted.end());
  counted.erase(std::unique(counted.begin(), counted.end()), counted.end());
  std::string text;
  for (auto const& each : counted) text += (text.empty() ? "" : ", ") + each;
  return text;
}

DocumentBlock block_of(AnalysisTable const& table) {
  auto heading = table.quantity + (table.place.empty() ? "" : ", " + table.place);
  heading += fmt::format(" (split {}, n {})", table.split, facts_of(table));
  for (auto const& name : {table.edits, table.settings}) heading += name.empty() ? "" : ", " + name;
  if (heading.front() >= 'a' && heading.front() <= 'z') heading.front() = static_cast<char>(heading.front() - 'a' + 'A');
  TextTable text;
  auto header = table.columns;
  header.insert(header.begin(), table.rows_of + (table.percent ? ", %" : ""));
  text.add(std::move(header));
  for (auto const& row : table.rows) {
    std::vector<std::string> cells{row.label};
    for (auto const& cell : row.cells) cells.push_back(cell_text(table, cell));
    text.add(std::move(cells));
  }
  return {heading, std::move(text), ""};
}

constexpr char const* definitions_of_analysis =
    "Contributions: what parts of the residual stream add to the logits of the objects' first tokens, with the final norm's\n"
    "divisor frozen; embedding, attention, MLPs and bias add up to the logit. Attention: probability of the prompt's last token\n"
    "on the subject's; drift: less the unedited model's; drifting heads: above every head of their layer in the unedited model;\n"
    "pull: what the subject's last token adds through attention. Shift: pattern by other probabilities, value by other values,\n"
    "interaction by both. Logit lens: final norm and head at the stream after a layer. Brackets: 95 % interval, bootstrap over\n"
    "facts, and seeds where there are several (Clopper and Pearson's of likeliest objects where all facts agree); p: Wilcoxon's\n"
    "signed-rank test, Holm's correction over the layers that change.\n"
    "An edit is made at the subject's last token. What of it reaches the last token comes mostly through attention of later\n"
    "layers, so that attention carries it there says little about its mechanism. The direct part, of the changed MLP there, is\n"
    "seen in the maps at 'last' behind the edited layer (docs/analysis.md).\n";

}  // namespace

Document analysis_document(StudyFile const& study, AnalysisReport const& report) {
  Document document{status_line(study), {}};
  for (auto const& table : report.tables) document.blocks.push_back(block_of(table));
  for (auto const& finding : report.findings) document.blocks.push_back({"", {}, wrapped(finding, line_width)});
  document.blocks.push_back({"", {}, definitions_of_analysis});
  return document;
}

Table analysis_cells(StudyFile const& study, AnalysisReport const& report) {
  std::vector<std::string> status, split, edits, settings, place, quantity, model, row;
  std::vector<double> mean, low, high, p;
  std::vector<std::int64_t> n, planned;
  for (auto const& table : report.tables) {
    for (auto const& line : table.rows) {
      for (std::size_t c = 0; c < line.cells.size(); ++c) {
        if (!line.cells[c]) continue;
        auto const& [value, tested] = *line.cells[c];
        status.push_back(need_status(study));
        split.push_back(table.split), edits.push_back(table.edits), settings.push_back(table.settings);
        place.push_back(table.place), quantity.push_back(table.quantity);
        model.push_back(table.columns[c]), row.push_back(line.label);
        mean.push_back(value.mean), low.push_back(value.low), high.push_back(value.high);
        p.push_back(tested.value_or(std::numeric_limits<double>::quiet_NaN()));
        n.push_back(value.n), planned.push_back(value.planned);
      }
    }
  }
  return {{{"status", status},
           {"split", split},
           {"edits", edits},
           {"settings", settings},
           {"place", place},
           {"quantity", quantity},
           {"model", model},
           {"row", row},
           {"mean", mean},
           {"low", low},
           {"high", high},
           {"p", p},
           {"n", n},
           {"planned", planned}}};
}

}  // namespace onemask
