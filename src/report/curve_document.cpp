#include "report/cells.hpp"
#include "report/plot_blocks.hpp"
#include "report/study_parts.hpp"
#include <onemask/report/curve.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include <fmt/core.h>

namespace onemask {
namespace {

/// Calls `show` for the curves of every split and way of editing.
void by_heading(std::vector<Curve> const& curves,
                std::function<void(std::string const& heading, std::vector<Curve> const& of)> const& show) {
  for (auto first = curves.begin(); first != curves.end();) {
    auto const last = std::find_if(first, curves.end(),
                                   [&](auto const& curve) { return curve.split != first->split || curve.edits != first->edits; });
    show(heading_of(first->split, first->edits), {first, last});
    first = last;
  }
}

std::string kl_interval(Estimate const& value) {
  return fmt::format("[{}, {}]", number(value.low, 3), number(value.high, 3));
}

std::vector<std::string> cells(CurvePoint const& point) {
  auto const& [zeros, rsr, kl, kept] = point;
  return {"  " + percent(zeros),
          percent(rsr.mean),
          interval(rsr),
          counts(rsr),
          kl ? number(kl->mean, 3) : "-",
          kl ? kl_interval(*kl) : "-",
          kept ? percent(kept->mean) : "-",
          kept ? interval(*kept) : "-"};
}

TextTable points_of(std::vector<Curve> const& curves) {
  TextTable table;
  table.add({"zeros %", "RSR %", "95 % interval", "n/planned", "KL", "95 % interval", "top-1 kept %", "95 % interval"});
  for (auto const& curve : curves) {
    table.add({curve.label});
    for (auto const& point : curve.points) table.add(cells(point));
  }
  return table;
}

TextTable areas_of(std::vector<Curve> const& curves) {
  TextTable table;
  table.add({"area under RSR(zeros)", "zeros %", "points/planned", "area %", "95 % interval", "n/planned"});
  for (auto const& curve : curves) {
    if (curve.planned < 2) continue;
    auto const& points = curve.points;
    auto const range = points.empty() ? "-" : percent(points.front().zeros) + " to " + percent(points.back().zeros);
    table.add({curve.label, range, fmt::format("{}/{}", points.size(), curve.planned),
               curve.area ? percent(curve.area->mean) : "-", curve.area ? interval(*curve.area) : "-",
               curve.area ? counts(*curve.area) : "-"});
  }
  return table;
}

constexpr char const* definitions_of_curves =
    "zeros: share of the edited matrix that is set to zero; masks of all sizes come from the same trainings. RSR, KL and top-1 "
    "kept\n"
    "are of rewrite prompts: RSR is what a mask restores; KL(original || model) in nats, and the share of prompts whose "
    "likeliest\n"
    "token is the original model's, say what it damages. unedited + mask: the damage alone.\n"
    "area: mean of RSR over the range of zeros, by trapezoids, over facts that are scored at all points; areas over different\n"
    "ranges cannot be compared. Its interval resamples facts, and seeds where there are several.\n"
    "mean of k: mean over masks of k seeds, also of the limits of their intervals; n is the smallest.\n";

void add_estimate(std::vector<double>& mean, std::vector<double>& low, std::vector<double>& high,
                  std::optional<Estimate> const& value) {
  constexpr auto none = std::numeric_limits<double>::quiet_NaN();
  mean.push_back(value ? value->mean : none);
  low.push_back(value ? value->low : none);
  high.push_back(value ? value->high : none);
}

}  // namespace

Document curve_document(StudyFile const& study, std::vector<Curve> const& curves) {
  Document document{status_line(study), {}};
  by_heading(curves, [&](auto const& heading, auto const& of) {
    document.blocks.push_back({heading, points_of(of), ""});
    document.blocks.push_back({"", areas_of(of), ""});
  });
  document.blocks.push_back({"", {}, definitions_of_curves});
  return document;
}

Table curve_table(StudyFile const& study, std::vector<Curve> const& curves) {
  std::vector<std::string> status, split, edits, kind, model;
  std::vector<double> zeros;
  std::vector<std::int64_t> n, planned, points, points_planned, area_n;
  struct Columns {
    std::vector<double> mean, low, high;
  } rsr, kl, kept, area;
  for (auto const& curve : curves) {
    for (auto const& point : curve.points) {
      status.push_back(need_status(study));
      split.push_back(curve.split), edits.push_back(curve.edits), kind.push_back(curve.kind), model.push_back(curve.label);
      zeros.push_back(point.zeros), n.push_back(point.rsr.n), planned.push_back(point.rsr.planned);
      add_estimate(rsr.mean, rsr.low, rsr.high, point.rsr);
      add_estimate(kl.mean, kl.low, kl.high, point.kl);
      add_estimate(kept.mean, kept.low, kept.high, point.top1_kept);
      points.push_back(std::ssize(curve.points)), points_planned.push_back(static_cast<std::int64_t>(curve.planned));
      add_estimate(area.mean, area.low, area.high, curve.area);
      area_n.push_back(curve.area ? curve.area->n : 0);
    }
  }
  return {{{"status", status},
           {"split", split},
           {"edits", edits},
           {"kind", kind},
           {"model", model},
           {"zeros", zeros},
           {"rsr", rsr.mean},
           {"rsr_low", rsr.low},
           {"rsr_high", rsr.high},
           {"n", n},
           {"planned", planned},
           {"kl", kl.mean},
           {"kl_low", kl.low},
           {"kl_high", kl.high},
           {"top1_kept", kept.mean},
           {"top1_kept_low", kept.low},
           {"top1_kept_high", kept.high},
           {"points", points},
           {"points_planned", points_planned},
           {"area", area.mean},
           {"area_low", area.low},
           {"area_high", area.high},
           {"area_n", area_n}}};
}

std::vector<LinePanel> curve_panels(std::vector<Curve> const& curves) {
  std::vector<LinePanel> panels;
  by_heading(curves, [&](auto const& heading, auto const& of) {
    LinePanel over_zeros{heading + ": RSR over the share of zeros", " %", {}, "zeros", "RSR"},
        over_kl{heading + ": RSR over KL", "", {}, "KL(original || model), nats", "RSR"};
    for (auto const& curve : of) {
      if (curve.points.size() < 2) continue;
      PictureLine zeros{curve.kind, curve.label, {}}, kl = zeros;
      for (auto const& point : curve.points) {
        zeros.points.push_back({100 * point.zeros, point.rsr});
        if (point.kl) kl.points.push_back({point.kl->mean, point.rsr});
      }
      over_zeros.lines.push_back(std::move(zeros));
      over_kl.lines.push_back(std::move(kl));
    }
    if (over_zeros.lines.empty()) return;
    panels.push_back(std::move(over_zeros));
    panels.push_back(std::move(over_kl));
  });
  return panels;
}

std::string curve_picture(StudyFile const& study, std::vector<Curve> const& curves) {
  return line_picture(title_of(study),
                      "RSR: share of prompts after which the true object is likelier than the new one. Bands: 95 % interval. "
                      "KL(original || model) in nats.",
                      curve_panels(curves));
}

}  // namespace onemask
