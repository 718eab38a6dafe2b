#include "report/cells.hpp"
#include "report/fact_scores.hpp"
#include "report/paired_scores.hpp"
#include "report/plot_blocks.hpp"
#include "report/study_parts.hpp"
#include "report/summary.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/text.hpp>
#include <onemask/report/curve.hpp>
#include <onemask/statistics/resampling.hpp>

#include <algorithm>
#include <cmath>

namespace onemask {
namespace {

/// The settings without those that decide the size of a mask.
std::string without_size(std::string const& settings) {
  auto words = split_text(settings, ' ');
  std::erase_if(words, [](auto const& word) { return word.starts_with("mask.zeros=") || word.starts_with("mask.threshold="); });
  return join(words, " ");
}

/// "magnitude per fact, zeros 0.05, fill original" without its share.
std::string without_share(std::string const& variant) {
  auto const first = variant.find(", zeros ");
  if (first == std::string::npos) return variant;
  return variant.substr(0, first) + variant.substr(std::min(variant.find(',', first + 1), variant.size()));
}

/// Kinds of models that differ in their size alone.
struct SizedKinds {
  ConditionKind kind;
  std::string variant, settings;
  std::vector<ModelKind const*> kinds;
};

std::vector<SizedKinds> lines_of(EditedModels const& edits) {
  std::vector<SizedKinds> lines;
  for (auto const& kind : edits.kinds) {
    // They set nothing to zero, or not in a number of their own.
    if (kind.kind == ConditionKind::bottom_rank || kind.kind == ConditionKind::shrunk || kind.kind == ConditionKind::patched)
      continue;
    SizedKinds line{kind.kind, without_share(kind.variant), without_size(kind.settings), {}};
    auto const found = std::find_if(lines.begin(), lines.end(), [&](auto const& l) {
      return l.kind == line.kind && l.variant == line.variant && l.settings == line.settings;
    });
    (found == lines.end() ? lines.emplace_back(std::move(line)) : *found).kinds.push_back(&kind);
  }
  return lines;
}

/// The shares of a curve's range that stand for each of its points, ascending, in the mean over it.
std::vector<double> trapezoids(std::vector<double> const& zeros) {
  std::vector<double> weights(zeros.size());
  for (std::size_t i = 0; i + 1 < zeros.size(); ++i) {
    auto const half = (zeros[i + 1] - zeros[i]) / 2 / (zeros.back() - zeros.front());
    weights[i] += half, weights[i + 1] += half;
  }
  return weights;
}

/// Of the curve through the models of these kinds, whose RSR over the split's facts is known.
std::optional<Estimate> area_of(FactScores const& scores, std::vector<ModelKind const*> const& kinds,
                                std::vector<CurvePoint> const& points, std::string const& split) {
  if (points.size() < 2) return std::nullopt;
  std::vector<double> zeros;
  std::int64_t planned = 0;
  for (auto const& point : points) {
    zeros.push_back(point.zeros);
    planned = std::max(planned, point.rsr.planned);
  }
  auto const weights = trapezoids(zeros);
  auto const& rsr = fact_metric("rsr", PromptKind::rewrite);
  std::vector<std::vector<double>> areas;  // by seed, then fact
  for (auto const& first : kinds.front()->models) {
    std::vector<double> area(scores.splits().size());
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      auto const& models = kinds[i]->models;
      auto const model =
          std::find_if(models.begin(), models.end(), [&](auto const& other) { return seed_of(other) == seed_of(first); });
      auto const values = model == models.end() ? std::vector<double>(area.size(), std::nan(""))
                                                : scores.means(model->name, kinds[i]->kind, rsr, PromptKind::rewrite);
      for (std::size_t fact = 0; fact < area.size(); ++fact) area[fact] += weights[i] * values[fact];
    }
    bool scored = false;
    for (std::size_t fact = 0; fact < area.size(); ++fact)
      scored = scored || (scores.splits()[fact] == split && std::isfinite(area[fact]));
    if (scored) areas.push_back(std::move(area));
  }
  SeededScores seeded{std::max<std::size_t>(1, areas.size()), {}};
  for (std::size_t fact = 0; fact < scores.splits().size() && !areas.empty(); ++fact) {
    auto const has = [&](auto const& area) { return std::isfinite(area[fact]); };
    if (scores.splits()[fact] != split || !std::all_of(areas.begin(), areas.end(), has)) continue;
    for (auto const& area : areas) seeded.values.push_back(area[fact]);
  }
  if (seeded.values.empty()) return std::nullopt;
  auto const facts = static_cast<std::int64_t>(seeded.facts());
  constexpr double rounding = 1e-9;  // of the weights, which add up to 1
  bool const all = seeded.mean() > 1 - rounding;
  auto const interval = interval_of_share(all ? 1 : seeded.mean(), interval_of_mean(seeded), facts);
  return Estimate{seeded.mean(), interval.low, interval.high, facts, planned};
}

Curve curve_of(Summary const& summary, FactScores const* scores, SizedKinds const& line, Group const& group) {
  struct Sized {
    CurvePoint point;
    ModelKind const* kind;
  };
  std::vector<Sized> sized;
  Curve curve{group.split, "", to_string(line.kind), "", {}, 0, {}};
  auto least = line.kinds.front()->models.size();
  for (auto const* kind : line.kinds) {
    auto const scored = summary.scored(*kind, group);
    auto const mean = [&](char const* metric) { return summary.mean(*kind, group, "rewrite", metric); };
    auto const rsr = mean("rsr");
    auto const zeros = mean_zeros(scored);
    // A shared baseline with a share of its own is scored anew beside every mask.
    if (rsr && std::any_of(sized.begin(), sized.end(), [&](auto const& s) { return s.point.zeros == zeros; })) continue;
    ++curve.planned;
    if (!rsr) continue;
    least = std::min(least, scored.size());
    auto kept = mean("top1_changed");
    if (kept) kept = Estimate{1 - kept->mean, 1 - kept->high, 1 - kept->low, kept->n, kept->planned};
    sized.push_back({{zeros, *rsr, mean("kl"), kept}, kind});
  }
  std::sort(sized.begin(), sized.end(), [](auto const& a, auto const& b) { return a.point.zeros < b.point.zeros; });
  std::vector<ModelKind const*> kinds;
  for (auto& [point, kind] : sized) {
    curve.points.push_back(std::move(point));
    kinds.push_back(kind);
  }
  curve.label = label_of_kind(line.kind, line.variant) + (line.settings.empty() ? "" : ", " + line.settings) +
                mean_of(*line.kinds.front(), least);
  if (scores != nullptr) curve.area = area_of(*scores, kinds, curve.points, group.split);
  return curve;
}

}  // namespace

std::vector<Curve> curves_if_any(StudyFile const& study) {
  Summary const summary(study);
  std::optional<FactScores> scores;
  if (study.tables.contains("metrics") && study.tables.contains("facts")) scores.emplace(study, FactScores::Of::rsr);
  std::vector<Curve> curves;
  for (auto const& group : summary.splits()) {
    for (auto const& edits : summary.edits()) {
      for (auto const& line : lines_of(edits)) {
        curves.push_back(curve_of(summary, scores ? &*scores : nullptr, line, group));
        curves.back().edits = edits.edits;
      }
    }
  }
  bool const any = std::any_of(curves.begin(), curves.end(), [](auto const& curve) { return curve.planned > 1; });
  return any ? curves : std::vector<Curve>{};
}

std::vector<Curve> curves_of(StudyFile const& study) {
  auto curves = curves_if_any(study);
  if (curves.empty())
    throw UserError(
        "The study has no masks of several sizes, through which a curve could be drawn. Give mask.zeros a list of shares; the "
        "masks are not trained again.");
  return curves;
}

}  // namespace onemask
