#include "report/published.hpp"

#include "report/cells.hpp"
#include "report/study_parts.hpp"
#include <onemask/core/reserved_names.hpp>
#include <onemask/report/text_table.hpp>

#include <fmt/core.h>

namespace onemask {
namespace {

struct Figure {
  std::string split, model, metric;
};

bool is_share(std::string const& metric) {
  return metric != "kl" && metric != "perplexity";
}

/// A value of the metric in the unit it is published in.
std::string shown(std::string const& metric, double value) {
  return is_share(metric) ? number(100 * value, 1) + " %" : number(value, 3);
}

/// What the study has for the figure, under the models of one kind; "" for nothing.
std::string found(Figure const& figure, EditedModels const& edits, ModelKind const& kind, Summary const& summary,
                  Perplexities const& perplexities) {
  Group const group{figure.split, every_relation};
  if (figure.metric == "perplexity") {
    auto const mean = perplexities.mean(kind, figure.split);
    auto const scored = perplexities.scored(kind, figure.split), models = kind.models.size();
    auto const part = scored == models ? "" : fmt::format(" ({} of {} models)", scored, models);
    if (mean) return shown(figure.metric, *mean) + part;
    auto const single = perplexities.single_edits(edits, kind, figure.split);
    return single ? fmt::format("{} (mean of {} models, median {})", shown(figure.metric, single->mean), single->n,
                                shown(figure.metric, single->median))
                  : "";
  }
  if (figure.metric == "zeros") {
    auto const scored = summary.scored(kind, group);
    return scored.empty() ? "" : shown(figure.metric, mean_zeros(scored));
  }
  auto const value = summary.mean(kind, group, figure.metric == "score" ? "all" : "rewrite", figure.metric);
  if (!value) return "";
  auto const limits =
      is_share(figure.metric) ? interval(*value) : "[" + number(value->low, 3) + ", " + number(value->high, 3) + "]";
  return shown(figure.metric, value->mean) + " " + limits + ", n " + counts(*value);
}

}  // namespace

std::vector<DocumentBlock> published_blocks(StudyFile const& study, Summary const& summary, Perplexities const& perplexities) {
  if (!study.tables.contains("published")) return {};
  auto const& table = need_table(study, "published");
  auto const text = [&](char const* column, std::size_t row) { return table.values<std::string>(column)[row]; };
  std::string const nothing = need_status(study) == "COMPLETE" ? "; not measured by this study" : "; here nothing is scored yet";
  std::vector<DocumentBlock> blocks;
  std::string source;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    if (row == 0 || text("source", row) != source) blocks.push_back({"Published figures: " + text("source", row), {}, ""});
    source = text("source", row);
    Figure const figure{text("split", row), text("model", row), text("metric", row)};
    auto const value = table.values<double>("value")[row] / (is_share(figure.metric) ? 100 : 1);
    auto const note = text("note", row);
    auto const model = kind_of(figure.model, "published figure");
    std::string line = label_of_kind(model) + ", " + figure.split + ", " + figure.metric + ": published " +
                       shown(figure.metric, value) + (note.empty() ? "" : " (" + note + ")");
    std::string here;
    for (auto const& edits : summary.edits()) {
      for (auto const& kind : edits.kinds) {
        if (kind.kind != model) continue;
        auto const own = found(figure, edits, kind, summary, perplexities);
        std::string names;
        for (auto const& name : {edits.edits, kind.variant, kind.settings})
          names += (names.empty() || name.empty() ? "" : " ") + name;
        if (!own.empty()) here += "; here " + (names.empty() ? "" : "(" + names + ") ") + own;
      }
    }
    blocks.back().sentences += wrapped(line + (here.empty() ? nothing : here), line_width);
  }
  return blocks;
}

}  // namespace onemask
