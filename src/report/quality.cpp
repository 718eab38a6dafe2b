#include "report/quality.hpp"

#include "report/cells.hpp"
#include <onemask/report/text_table.hpp>

#include <algorithm>
#include <array>
#include <optional>

namespace onemask {
namespace {

struct Line {
  char const* label;
  char const* prompts;
  char const* success;  ///< metrics; null: none
  char const* magnitude;
};

constexpr std::array<Line, 4> lines{{{"rewrite (ES, EM)", "rewrite", "success", "magnitude"},
                                     {"paraphrase (PS, PM)", "paraphrase", "success", "magnitude"},
                                     {"neighborhood (NS, NM)", "neighborhood", "success", "magnitude"},
                                     {"score", "all", "score", nullptr}}};

/// The lines of one model, from what `find(prompts, metric)` knows.
template <class Find>
void add_model(TextTable& table, std::string const& label, std::string const& indent, Find const& find) {
  table.add({indent + label});
  for (auto const& line : lines) {
    std::optional<Estimate> const success = find(line.prompts, line.success);
    std::optional<Estimate> magnitude;
    if (line.magnitude) magnitude = find(line.prompts, line.magnitude);
    std::string const none = line.magnitude ? "-" : "";
    table.add({indent + "  " + line.label, success ? percent(success->mean) : "-", success ? interval(*success) : "-",
               magnitude ? percent(magnitude->mean) : none, magnitude ? interval(*magnitude) : none,
               success ? counts(*success) : "-"});
  }
}

}  // namespace

std::optional<DocumentBlock> quality_block(Summary const& summary, EditedModels const& edits, Group const& group, bool per_mask) {
  auto const& kinds = edits.kinds;
  bool const scored =
      std::any_of(kinds.begin(), kinds.end(), [&](auto const& k) { return summary.mean(k, group, "neighborhood", "success"); });
  if (!scored) return std::nullopt;
  TextTable table;
  table.add({"editing quality", "success %", "95 % interval", "magnitude %", "95 % interval", "n/planned"});
  for (auto const& kind : kinds) {
    add_model(table, label_of(kind, summary.scored(kind, group).size()), "",
              [&](auto prompts, auto metric) { return summary.mean(kind, group, prompts, metric); });
    if (!per_mask || kind.models.size() < 2) continue;
    for (auto const& model : kind.models) {
      add_model(table, model.point.empty() ? model.name : model.point, "  ",
                [&](auto prompts, auto metric) { return summary.find(model.name, group, prompts, metric); });
    }
  }
  return DocumentBlock{"", std::move(table), ""};
}

}  // namespace onemask
