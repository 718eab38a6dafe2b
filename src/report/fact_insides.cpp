#include "report/fact_insides.hpp"

#include "report/markup.hpp"
#include "report/study_parts.hpp"
#include "report/summary.hpp"
#include <onemask/settings/tracing_options.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace onemask {
namespace {

using Json = nlohmann::ordered_json;
using Keyed = std::map<std::tuple<int, std::int64_t, std::string>, std::vector<std::size_t>>;

/// Of all of it together, in bytes.
constexpr std::size_t most_bytes_of_insides = 4'000'000;

/// Numbers of one fact: lists of rows of numbers that are whole, or null.
class Grid {
 public:
  Grid(std::size_t lists, std::size_t rows, std::size_t columns)
      : grid_(lists, Json(rows, Json(columns, Json()))), rows_(rows), columns_(columns) {}

  void put(std::size_t list, std::int64_t row, std::int64_t column, double value) {
    if (row < 0 || column < 0 || static_cast<std::size_t>(row) >= rows_ || static_cast<std::size_t>(column) >= columns_) return;
    if (std::isfinite(value) && std::abs(value) < 1e15)
      grid_[list][static_cast<std::size_t>(row)][static_cast<std::size_t>(column)] = std::llround(value);
  }
  Json take() && { return std::move(grid_); }

 private:
  Json grid_;
  std::size_t rows_, columns_;
};

class Insides {
 public:
  Insides(StudyFile const& study, std::size_t facts, Json& data) : study_(study), facts_(facts), data_(data) {}

  void add() {
    add_tracing();
    add_traces();
    add_maps();
  }

 private:
  std::vector<std::int64_t> const& whole(char const* table, char const* column) const {
    return need_table(study_, table).values<std::int64_t>(column);
  }
  std::vector<double> const& real(char const* table, char const* column) const {
    return need_table(study_, table).values<double>(column);
  }
  bool is_fact(std::int64_t fact) const { return fact >= 0 && static_cast<std::size_t>(fact) < facts_; }

  /// Keeps what fits, in the order in which it comes; returns whether it did.
  bool keep(Json& list, Json entry) {
    auto const bytes = entry.dump(-1, ' ', false, Json::error_handler_t::replace).size();
    if (bytes > left_) return false;
    left_ -= bytes;
    list.push_back(std::move(entry));
    return true;
  }

  /// What a row of "analyses" is: "edited + mask, mask.seed=0".
  Json description(std::int64_t analysis) const {
    auto const& analyses = need_table(study_, "analyses");
    if (analysis < 0 || static_cast<std::size_t>(analysis) >= analyses.rows()) return {{"label", "?"}, {"set", ""}};
    auto const text = [&](char const* column) {
      return analyses.values<std::string>(column)[static_cast<std::size_t>(analysis)];
    };
    auto label = label_of_kind(kind_of(text("kind"), "a row of the table 'analyses'"));
    auto point = text("point");
    if (point.starts_with(text("set"))) point.erase(0, text("set").size());  // which is said beside it
    point.erase(0, point.find_first_not_of(' '));
    if (!point.empty()) label += ", " + point;
    return {{"label", valid_text(label)}, {"set", valid_text(text("set"))}};
  }

  /// The smallest layer, which may be that of the embedding, and how many follow.
  std::pair<std::int64_t, std::size_t> layers_of(char const* table) const {
    auto const& layers = whole(table, "layer");
    if (layers.empty()) return {0, 0};
    auto const [least, most] = std::minmax_element(layers.begin(), layers.end());
    return {*least, static_cast<std::size_t>(std::clamp<std::int64_t>(*most - *least + 1, 0, 1000))};
  }

  /// Of every traced fact and kind of state P(first token of the true object) by place and layer, in thousandths.
  void add_tracing() {
    if (!study_.tables.contains("tracing") || !study_.tables.contains("tracing_facts")) return;
    auto const [first, layers] = layers_of("tracing");
    Json names = Json::array();
    for (auto const& [place, name] : trace_place_names) names.push_back(name);
    Json tracing{{"first", first}, {"layers", layers}, {"places", names}, {"facts", Json::object()}, {"kinds", Json::array()}};
    auto const& of = whole("tracing_facts", "fact");
    for (std::size_t row = 0; row < of.size(); ++row) {
      auto const clean = real("tracing_facts", "clean")[row], corrupted = real("tracing_facts", "corrupted")[row];
      if (std::isfinite(clean) && std::isfinite(corrupted))
        tracing["facts"][std::to_string(of[row])] = {std::llround(1000 * clean), std::llround(1000 * corrupted)};
    }
    auto const &fact = whole("tracing", "fact"), &kind = whole("tracing", "kind"), &place = whole("tracing", "place"),
               &layer = whole("tracing", "layer");
    auto const& probability = real("tracing", "probability");
    for (auto const& [which, name] : trace_kind_names) {
      std::map<std::int64_t, Grid> grids;
      for (std::size_t row = 0; row < fact.size(); ++row) {
        if (kind[row] != static_cast<std::int64_t>(which) || !is_fact(fact[row])) continue;
        grids.try_emplace(fact[row], 1U, trace_place_names.size(), layers)
            .first->second.put(0, place[row], layer[row] - first, 1000 * probability[row]);
      }
      if (grids.empty()) continue;
      Json entry{{"name", name}, {"facts", Json::object()}};
      for (auto& [number, grid] : grids) entry["facts"][std::to_string(number)] = std::move(grid).take()[0];
      if (!keep(tracing["kinds"], std::move(entry))) ++left_out_;
    }
    if (!tracing["kinds"].empty()) data_["tracing"] = std::move(tracing);
    finish("tracing");
  }

  /// Rows of a table by model and place in the prompt, the last token first.
  Keyed rows_by_model(char const* table, bool by_place) const {
    Keyed rows;
    auto const& analysis = whole(table, "analysis");
    for (std::size_t row = 0; row < analysis.size(); ++row) {
      auto const place = by_place ? need_table(study_, table).values<std::string>("place")[row] : "";
      rows[{place == "last" ? 0 : 1, analysis[row], place}].push_back(row);
    }
    return rows;
  }

  /// The logit lens: log P of the true and the new object in hundredths of nats, and their ranks, by layer.
  void add_traces() {
    if (!study_.tables.contains("traces") || !study_.tables.contains("analyses")) return;
    auto const [first, layers] = layers_of("traces");
    Json traces{{"first", first}, {"layers", layers}, {"series", Json::array()}};
    auto const &fact = whole("traces", "fact"), &layer = whole("traces", "layer"), &rank_true = whole("traces", "rank_true"),
               &rank_new = whole("traces", "rank_new");
    auto const &lp_true = real("traces", "lp_true"), &lp_new = real("traces", "lp_new");
    for (auto const& [key, rows] : rows_by_model("traces", true)) {
      std::map<std::int64_t, Grid> grids;
      for (auto const row : rows) {
        if (!is_fact(fact[row])) continue;
        auto& grid = grids.try_emplace(fact[row], 1U, 4U, layers).first->second;
        auto const at = layer[row] - first;
        grid.put(0, 0, at, 100 * lp_true[row]), grid.put(0, 1, at, 100 * lp_new[row]);
        grid.put(0, 2, at, static_cast<double>(rank_true[row])), grid.put(0, 3, at, static_cast<double>(rank_new[row]));
      }
      auto entry = description(std::get<1>(key));
      entry["place"] = valid_text(std::get<2>(key));
      for (auto& [number, grid] : grids) entry["facts"][std::to_string(number)] = std::move(grid).take()[0];
      if (!keep(traces["series"], std::move(entry))) ++left_out_;
    }
    if (!traces["series"].empty()) data_["traces"] = std::move(traces);
    finish("traces");
  }

  /// Of every place of a prompt and layer the distance to the unedited model and the log-odds, in hundredths, and the attention
  /// of the last token, in thousandths.
  void add_maps() {
    if (!study_.tables.contains("fact_maps") || !study_.tables.contains("analyses")) return;
    auto const [first, layers] = layers_of("fact_maps");
    Json maps{{"first", first}, {"layers", layers}, {"series", Json::array()}};
    auto const &fact = whole("fact_maps", "fact"), &layer = whole("fact_maps", "layer"),
               &position = whole("fact_maps", "position");
    auto const &distance = real("fact_maps", "distance"), &odds = real("fact_maps", "log_odds"),
               &attention = real("fact_maps", "attention");
    std::map<std::int64_t, std::int64_t> lengths;
    for (std::size_t row = 0; row < fact.size(); ++row)
      lengths[fact[row]] = std::clamp<std::int64_t>(position[row] + 1, lengths[fact[row]], 10'000);
    for (auto const& [key, rows] : rows_by_model("fact_maps", false)) {
      std::map<std::int64_t, Grid> grids;
      for (auto const row : rows) {
        if (!is_fact(fact[row])) continue;
        auto const length = static_cast<std::size_t>(lengths[fact[row]]);
        auto& grid = grids.try_emplace(fact[row], 3U, length, layers).first->second;
        auto const at = layer[row] - first;
        grid.put(0, position[row], at, 100 * distance[row]), grid.put(1, position[row], at, 100 * odds[row]);
        grid.put(2, position[row], at, 1000 * attention[row]);
      }
      auto entry = description(std::get<1>(key));
      for (auto& [number, grid] : grids) entry["facts"][std::to_string(number)] = std::move(grid).take();
      if (!keep(maps["series"], std::move(entry))) ++left_out_;
    }
    if (!maps["series"].empty()) data_["maps"] = std::move(maps);
    finish("maps");
  }

  void finish(char const* what) {
    if (left_out_ > 0) data_["left_out"][what] = std::exchange(left_out_, 0);
  }

  StudyFile const& study_;
  std::size_t facts_;
  Json& data_;
  std::size_t left_ = most_bytes_of_insides, left_out_ = 0;
};

}  // namespace

void add_insides(StudyFile const& study, std::size_t facts, nlohmann::ordered_json& data) {
  Insides(study, facts, data).add();
}

}  // namespace onemask
