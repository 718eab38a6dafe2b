#include "gather/analysis_sums.hpp"

#include "gather/table_block.hpp"
#include <onemask/plan/analysis_task.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace onemask {
namespace {

constexpr std::array aligned_place_names{"subject_first", "subject_last", "after_subject", "last"};

std::string place_name(AnalysisOptions const& options, std::int64_t place) {
  return name_of(analysis_place_names, options.places[static_cast<std::size_t>(place)]);
}

}  // namespace

void AnalysisSums::Mean::add(double value) {
  if (std::isnan(value)) return;
  sum += value, squares += value * value, ++n;
}

double AnalysisSums::Mean::mean() const {
  return n > 0 ? sum / static_cast<double>(n) : std::numeric_limits<double>::quiet_NaN();
}

double AnalysisSums::Mean::sd() const {
  if (n < 2) return std::numeric_limits<double>::quiet_NaN();
  return std::sqrt(std::max(0.0, squares - sum * mean()) / static_cast<double>(n - 1));
}

void AnalysisSums::add(std::size_t row, ModelAnalysis const& found) {
  if (found.units.defined()) {
    auto& units = units_[row];
    units.sums = units.sums.defined() ? units.sums + found.units : found.units.clone();
    units.facts += found.facts;
  }
  if (!found.aligned_maps.defined()) return;
  auto const values = found.aligned_maps.accessor<float, 4>();
  auto& maps = maps_[row];
  maps.layers = values.size(2);
  maps.cells.resize(static_cast<std::size_t>(values.size(1) * values.size(2)));
  for (std::int64_t f = 0; f < values.size(0); ++f) {
    auto cell = maps.cells.begin();
    for (std::int64_t p = 0; p < values.size(1); ++p) {
      for (std::int64_t l = 0; l < values.size(2); ++l, ++cell) {
        for (std::size_t k = 0; k < 3; ++k) (*cell)[k].add(static_cast<double>(values[f][p][l].data()[k]));
      }
    }
  }
}

void AnalysisSums::add(std::size_t row, DimensionTracks const& tracks) {
  auto& sums = dimensions_[row];
  auto const values = tracks.values.accessor<float, 5>();
  auto const models = values.size(0), facts = values.size(1), places = values.size(2), layers = values.size(3),
             count = values.size(4);
  sums.dimensions = tracks.dimensions, sums.zeros = tracks.zeros;
  sums.shape = {models, places, layers, count};
  sums.tracks.resize(static_cast<std::size_t>(models * places * layers * count));
  auto track = sums.tracks.begin();
  for (std::int64_t m = 0; m < models; ++m) {
    for (std::int64_t q = 0; q < places; ++q) {
      for (std::int64_t l = 0; l < layers; ++l) {
        for (std::int64_t k = 0; k < count; ++k, ++track) {
          for (std::int64_t f = 0; f < facts; ++f) {
            auto const value = static_cast<double>(values[m][f][q][l].data()[k]);
            track->value.add(value);
            track->shift.add(value - static_cast<double>(values[0][f][q][l].data()[k]));
          }
        }
      }
    }
  }
}

Table AnalysisSums::units(std::map<std::size_t, std::vector<int>> const& layers) const {
  TableBlock block({whole_column("analysis"), text_column("place"), whole_column("layer"), whole_column("unit"),
                    real_column("true"), real_column("new"), real_column("size"), whole_column("n")});
  for (auto const& [row, units] : units_) {
    auto const sums = units.sums.contiguous();
    auto const values = sums.accessor<double, 4>();
    auto const n = static_cast<double>(units.facts);
    for (std::int64_t q = 0; q < values.size(0); ++q) {
      for (std::int64_t l = 0; l < values.size(1); ++l) {
        std::vector<std::int64_t> order(static_cast<std::size_t>(values.size(2)));
        std::iota(order.begin(), order.end(), std::int64_t{0});
        auto const size = [&](std::int64_t unit) { return values[q][l][unit].data()[2]; };
        std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return size(a) > size(b); });
        order.resize(std::min(order.size(), static_cast<std::size_t>(options_.inner_units)));
        for (auto const unit : order) {
          auto const* sum = values[q][l][unit].data();
          block.add(row, place_name(options_, q), layers.at(row)[static_cast<std::size_t>(l)], unit, sum[0] / n, sum[1] / n,
                    sum[2] / n, units.facts);
        }
      }
    }
  }
  return block.table();
}

Table AnalysisSums::dimensions() const {
  TableBlock block({whole_column("analysis"), text_column("model"), text_column("place"), whole_column("layer"),
                    whole_column("dimension"), whole_column("random"), real_column("zeros"), real_column("mean"),
                    real_column("sd"), real_column("shift"), real_column("shift_sd"), whole_column("n")});
  auto const models = AnalysisTask::tracked_models();
  for (auto const& [row, sums] : dimensions_) {
    auto const [model_count, places, layers, count] = sums.shape;
    auto track = sums.tracks.begin();
    for (std::int64_t m = 0; m < model_count; ++m) {
      for (std::int64_t q = 0; q < places; ++q) {
        for (std::int64_t l = 0; l < layers; ++l) {
          for (std::int64_t k = 0; k < count; ++k, ++track) {
            auto const d = static_cast<std::size_t>(k);
            block.add(row, to_string(models[static_cast<std::size_t>(m)]), place_name(options_, q), l - 1, sums.dimensions[d],
                      k >= count / 2, sums.zeros[d], track->value.mean(), track->value.sd(), track->shift.mean(),
                      track->shift.sd(), track->value.n);
          }
        }
      }
    }
  }
  return block.table();
}

Table AnalysisSums::maps() const {
  TableBlock block({whole_column("analysis"), text_column("place"), whole_column("layer"), real_column("distance"),
                    real_column("log_odds"), real_column("attention"), whole_column("n")});
  for (auto const& [row, maps] : maps_) {
    for (std::size_t i = 0; i < maps.cells.size(); ++i) {
      auto const& [distance, odds, attention] = maps.cells[i];
      auto const layers = static_cast<std::size_t>(maps.layers);
      block.add(row, aligned_place_names[i / layers], static_cast<std::int64_t>(i % layers) - 1, distance.mean(), odds.mean(),
                attention.mean(), odds.n);
    }
  }
  return block.table();
}

}  // namespace onemask
