#include "report/fact_metrics.hpp"
#include "report/study_parts.hpp"
#include "report/summary.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/reserved_names.hpp>
#include <onemask/core/text.hpp>
#include <onemask/report/matrix.hpp>

#include <algorithm>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

/// Masks that differ in their seed alone.
struct MaskRow {
  std::string home;      ///< the way of editing that they were trained on
  std::string settings;  ///< of the masks
  std::string name;
};

/// Splits what the table "conditions" says of masks on other edits into where they were trained, and their settings.
MaskRow row_of(Summary const& summary, EditedModels const& edits, ModelKind const& kind) {
  MaskRow row{edits.edits, kind.settings, ""};
  if (row.settings.starts_with(trained_on)) {
    auto const rest = row.settings.substr(std::string(trained_on).size());
    row.home.clear();
    for (auto const& of : summary.edits()) {
      auto const& name = of.edits;
      bool const begins = rest == name || rest.starts_with(name + " ");
      if (begins && name.size() > row.home.size()) row.home = name;
    }
    row.settings = rest.size() > row.home.size() ? rest.substr(row.home.size() + 1) : "";
  }
  return row;
}

std::vector<std::string> words_of_list(std::string text) {
  std::replace(text.begin(), text.end(), ',', ' ');
  auto words = split_text(text, ' ');
  std::erase(words, "");
  return words;
}

/// The value of a swept key in "key=value key=value", without the brackets of a list; values of lists hold spaces.
std::vector<std::string> values_of(std::string const& settings, std::string const& key) {
  auto const place = settings.find(key + "=");
  if (place == std::string::npos) return {};
  auto const text = settings.substr(place + key.size() + 1);
  return words_of_list(text.starts_with('[') ? text.substr(1, text.find(']') - 1) : text.substr(0, text.find(' ')));
}

bool is_among(std::vector<std::string> const& all, std::string const& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

class MatrixMaker {
 public:
  MatrixMaker(StudyFile const& study, MatrixRequest request) : summary_(study), request_(std::move(request)) {
    fact_metric(request_.metric, PromptKind::rewrite);
    if (auto const all = study.attributes.find("train_relations"); all != study.attributes.end())
      relations_of_all_ = words_of_list(all->second);
    for (auto const& group : summary_.splits()) splits_.push_back(group.split);
    if (!request_.columns) request_.columns = columns_by_default();
    if (*request_.columns != MatrixColumns::split) choose_split();
  }

  MatrixReport make() && {
    std::vector<TransferMatrix> matrices;
    if (*request_.columns == MatrixColumns::edits) {
      matrices.push_back(over_edits());
    } else {
      for (auto const& edits : summary_.edits()) matrices.push_back(over_groups(edits));
    }
    std::erase_if(matrices, [](auto const& matrix) { return matrix.rows.empty(); });
    if (matrices.empty()) throw UserError("The study has no mask that is scored; a matrix has a row for every mask.");
    bool const any = std::any_of(matrices.begin(), matrices.end(), [](auto const& matrix) {
      return std::any_of(matrix.cells.begin(), matrix.cells.end(), [](auto const& row) {
        return std::any_of(row.begin(), row.end(), [](auto const& cell) { return cell.value.has_value(); });
      });
    });
    if (!any)
      throw UserError(fmt::format("The study has no mean of '{}' for rewrite prompts under a mask; it scores other metrics.",
                                  request_.metric));
    return {"", "", "", std::move(request_), std::move(matrices)};
  }

 private:
  template <class Is>
  bool any_mask(Is const& is) const {
    for (auto const& edits : summary_.edits()) {
      for (auto const& kind : edits.kinds) {
        if (kind.kind == ConditionKind::mask && is(kind)) return true;
      }
    }
    return false;
  }

  MatrixColumns columns_by_default() const {
    if (any_mask([](auto const& kind) { return kind.settings.starts_with(trained_on); })) return MatrixColumns::edits;
    bool const by_relation =
        any_mask([](auto const& kind) { return kind.settings.find("mask.train_relations=") != std::string::npos; });
    return by_relation ? MatrixColumns::relation : MatrixColumns::split;
  }

  void choose_split() {
    if (request_.split.empty()) {
      for (auto const& split : splits_) {
        bool const unseen = split != validation_split && !any_mask([&](auto const& kind) { return kind.train_split == split; });
        if (split == "heldout" || (request_.split.empty() && unseen)) request_.split = split;
      }
      if (request_.split.empty() && !splits_.empty()) request_.split = splits_.front();
    }
    if (is_among(splits_, request_.split)) return;
    throw UserError(fmt::format("The study has no split '{}'.{} It has: {}.", request_.split,
                                did_you_mean(request_.split, splits_), join(splits_, ", ", [](auto const& s) { return s; })));
  }

  std::vector<Group> columns() const {
    if (*request_.columns == MatrixColumns::split) return summary_.splits();
    std::vector<Group> relations;
    for (auto const& group : summary_.groups()) {
      if (group.split == request_.split) relations.push_back(group);
    }
    // All of them together come last.
    std::stable_partition(relations.begin(), relations.end(), [](auto const& g) { return g.relation != every_relation; });
    return relations;
  }

  bool is_home(ModelKind const& kind, MaskRow const& row, Group const& group) const {
    if (*request_.columns == MatrixColumns::relation) {
      auto trained = values_of(row.settings, "mask.train_relations");
      if (trained.empty()) trained = relations_of_all_;
      return trained.empty() || is_among(trained, "all") || is_among(trained, group.relation);
    }
    return group.split == kind.train_split;
  }

  TransferMatrix over_groups(EditedModels const& edits) const {
    TransferMatrix matrix{edits.edits, {}, {}, {}};
    auto const groups = columns();
    for (auto const& group : groups)
      matrix.columns.push_back(*request_.columns == MatrixColumns::split ? group.split : group.relation);
    for (auto const& kind : edits.kinds) {
      if (kind.kind != ConditionKind::mask) continue;
      auto const row = row_of(summary_, edits, kind);
      std::vector<MatrixCell> cells;
      for (auto const& group : groups)
        cells.push_back(
            {summary_.mean(kind, group, "rewrite", request_.metric), row.home == edits.edits && is_home(kind, row, group)});
      auto const own = kind.settings.empty() ? "mask" : kind.settings;
      matrix.rows.push_back(own + (kind.variant.empty() ? "" : ", " + kind.variant));
      matrix.cells.push_back(std::move(cells));
    }
    return matrix;
  }

  TransferMatrix over_edits() const {
    TransferMatrix matrix;
    for (auto const& edits : summary_.edits()) matrix.columns.push_back(edits.edits);
    for (std::size_t column = 0; column < summary_.edits().size(); ++column) {
      auto const& edits = summary_.edits()[column];
      for (auto const& kind : edits.kinds) {
        if (kind.kind != ConditionKind::mask) continue;
        auto const row = row_of(summary_, edits, kind);
        auto const name =
            row.home + (row.settings.empty() ? "" : " " + row.settings) + (kind.variant.empty() ? "" : ", " + kind.variant);
        auto found = std::find(matrix.rows.begin(), matrix.rows.end(), name);
        if (found == matrix.rows.end()) {
          found = matrix.rows.insert(matrix.rows.end(), name);
          matrix.cells.emplace_back(matrix.columns.size(), MatrixCell{std::nullopt, false});
        }
        auto& cell = matrix.cells[static_cast<std::size_t>(found - matrix.rows.begin())][column];
        cell = {summary_.mean(kind, {request_.split, every_relation}, "rewrite", request_.metric), row.home == edits.edits};
      }
    }
    return matrix;
  }

  Summary summary_;
  MatrixRequest request_;
  std::vector<std::string> relations_of_all_;  ///< that all masks are trained on, where it is not swept; none: all
  std::vector<std::string> splits_;
};

}  // namespace

MatrixReport make_matrices(StudyFile const& study, MatrixRequest request) {
  auto report = MatrixMaker(study, std::move(request)).make();
  report.title = title_of(study), report.status = need_status(study), report.status_line = status_line(study);
  return report;
}

}  // namespace onemask
