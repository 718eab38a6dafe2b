#include "report/analysis_findings.hpp"

#include "report/cells.hpp"
#include "report/phrases.hpp"
#include "report/summary.hpp"
#include <onemask/core/text.hpp>
#include <onemask/statistics/paired_tests.hpp>

#include <algorithm>
#include <cmath>
#include <tuple>

#include <fmt/core.h>

namespace onemask {
namespace {

/// Tables of one way of editing and setting of the masks.
class AnalysisStory {
 public:
  AnalysisStory(StudyFile const& study, std::vector<AnalysisTable const*> tables) : study_(study), tables_(std::move(tables)) {}

  std::string tell() const {
    auto text = drift() + shift() + contributions();
    if (text.empty()) return text;
    text.pop_back();  // the space behind the last sentence
    auto const& like = *tables_.front();
    std::string before = so_far(study_);
    for (auto const& name : {like.edits, like.settings}) {
      if (!name.empty()) before += (before.empty() ? "with " : ", with ") + name;
    }
    return (before.empty() ? "" : "(" + before + ") ") + text;
  }

 private:
  AnalysisTable const* find(std::string const& quantity) const {
    auto const found =
        std::find_if(tables_.begin(), tables_.end(), [&](auto const* table) { return table->quantity == quantity; });
    return found == tables_.end() ? nullptr : *found;
  }
  /// The cell of a row and of the first column that begins so and, where `exact`, goes on as a mean of several at most.
  static AnalysisCell const* cell(AnalysisTable const& table, std::string const& row, ConditionKind kind) {
    auto const label = label_of_kind(kind);
    for (auto const& line : table.rows) {
      for (std::size_t c = 0; c < table.columns.size(); ++c) {
        auto const& column = table.columns[c];
        if (line.label == row && (column == label || column.starts_with(label + " (")) && line.cells[c]) return &*line.cells[c];
      }
    }
    return nullptr;
  }

  /// Where attention to the subject rises, and how much of it the mask removes.
  std::string drift() const {
    auto const* const table = find(drift_name);
    if (table == nullptr) return "";
    std::vector<std::pair<std::string, AnalysisCell>> tested, rises;
    for (auto const& row : table->rows) {
      auto const* const of = cell(*table, row.label, ConditionKind::edited);
      if (of == nullptr || !of->p) continue;
      tested.emplace_back(row.label, *of);
      if (*of->p < error_rate && of->value.mean > 0) rises.emplace_back(row.label, *of);
    }
    if (tested.empty()) return "";
    auto const by_mean = [](auto const& a, auto const& b) { return a.second.value.mean < b.second.value.mean; };
    auto const& of = rises.empty() ? tested : rises;
    auto const& [layer, cell_of_most] = *std::max_element(of.begin(), of.end(), by_mean);
    auto const& most = cell_of_most.value;
    auto const whom = facts_text(train_split_of(study_), table->split, most);
    auto const points = fmt::format("{} points [{}, {}]", percent(most.mean), percent(most.low), percent(most.high));
    if (rises.empty()) {
      return fmt::format(
                 "On {} the last token's attention to the subject's last token is not clearly more after the edit in any of {}; "
                 "the "
                 "largest drift is {}, in layer {}. ",
                 whom, counted(tested.size(), "layer"), points, layer) +
             too_few(most.n, tested.size());
    }
    auto text = fmt::format(
        "On {} the last token attends more to the subject's last token after the edit in {} of the {} layers that the edit "
        "reaches, most in layer {}, by {}",
        whom, rises.size(), tested.size(), layer, points);
    auto const* const removed = find(removed_name);
    auto const* const all =
        removed == nullptr ? nullptr : cell(*removed, rises.size() > 1 ? all_of_them : rises.front().first, ConditionKind::mask);
    if (all == nullptr) return text + ". ";
    std::vector<std::string> layers;
    for (auto const& each : rises) layers.push_back(each.first);
    text += fmt::format("; {} {}{} the mask removes {} of it", layers.size() > 1 ? "over layers" : "in layer",
                        enumeration(layers), layers.size() > 1 ? " together" : "", share_text(all->value));
    if (all->value.low > 1) text += ", more than the edit brought: it lowers attention to the subject in general";
    return text + ". ";
  }

  /// Where no drift of so few facts, in so many layers, could be found: all of one sign have 2/2^n, and Holm multiplies it.
  static std::string too_few(std::int64_t n, std::size_t layers) {
    auto const smallest = std::min(1.0, std::ldexp(2.0 * static_cast<double>(layers), -static_cast<int>(n)));
    return smallest < error_rate ? ""
                                 : fmt::format("n = {} is too few for this test: its smallest p is {} over {}. ", n,
                                               p_text(smallest), counted(layers, "layer"));
  }

  /// What of the edit's way through attention is the pattern, what is the value.
  std::string shift() const {
    auto const* const table = find(shift_name);
    if (table == nullptr) return "";
    auto const of = [&](ConditionKind kind) -> std::string {
      auto const* const all = cell(*table, "all", kind);
      if (all == nullptr) return "";
      double pattern = 0, value = 0, interaction = 0;
      for (auto const* where : {"subject's last token", "elsewhere"}) {
        auto const part = [&](char const* what) {
          auto const* const found = cell(*table, std::string(what) + ", " + where, kind);
          return found == nullptr ? std::nan("") : found->value.mean;
        };
        pattern += part("pattern"), value += part("value"), interaction += part("interaction");
      }
      return fmt::format("{} logits [{}, {}]: {} by other values alone, {} by other probabilities alone, {} by both together",
                         number(all->value.mean, 2), number(all->value.low, 2), number(all->value.high, 2), number(value, 2),
                         number(pattern, 2), number(interaction, 2));
    };
    auto const edited = of(ConditionKind::edited), masked = of(ConditionKind::mask);
    if (edited.empty()) return "";
    return "Attention of the last token moves the log-odds of the new object by " + edited +
           (masked.empty() ? ". " : "; under the mask by " + masked + ". ");
  }

  std::string contributions() const {
    auto const* const table = find("contributions to new less true");
    if (table == nullptr || table->place != words_of_place("last")) return "";
    std::vector<std::string> models;
    for (auto const kind : {ConditionKind::original, ConditionKind::edited, ConditionKind::mask}) {
      auto const *const attention = cell(*table, "attention", kind), *const mlp = cell(*table, "MLP", kind);
      if (attention == nullptr || mlp == nullptr) continue;
      models.push_back(
          fmt::format("{} and {} ({})", number(attention->value.mean, 2), number(mlp->value.mean, 2), label_of_kind(kind)));
    }
    return models.empty()
               ? ""
               : "To the logit of the new object less the true one attention and MLPs add " + enumeration(models) + ". ";
  }

  StudyFile const& study_;
  std::vector<AnalysisTable const*> tables_;
};

}  // namespace

std::string words_of_place(std::string const& place) {
  return place == "last" ? "last token" : place == "subject_last" ? "subject's last token" : place;
}

std::vector<std::string> analysis_findings(StudyFile const& study, std::vector<AnalysisTable> const& tables) {
  std::vector<std::string> findings;
  std::vector<AnalysisTable const*> own;
  for (std::size_t i = 0; i < tables.size(); ++i) {
    own.push_back(&tables[i]);
    auto const names = [](AnalysisTable const& table) { return std::tie(table.split, table.edits, table.settings); };
    if (i + 1 < tables.size() && names(tables[i]) == names(tables[i + 1])) continue;
    if (auto text = AnalysisStory(study, own).tell(); !text.empty()) findings.push_back(std::move(text));
    own.clear();
  }
  return findings;
}

}  // namespace onemask
