#include "tune/ladder.hpp"

#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/names.hpp>
#include <onemask/core/text.hpp>

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/core.h>

namespace onemask {
namespace {

constexpr std::size_t usual_unit = 8;  ///< facts
constexpr int layers_per_level = 8, middle_level = 3;
constexpr std::size_t settings_per_level = 4, best_layers = 2;
/// Candidates with more steps than the start take longer than what was measured.
constexpr double slower = 1.25;

constexpr std::array<Named<RungKind>, 6> rung_kind_names{{{RungKind::layers, "layers"},
                                                          {RungKind::between, "between"},
                                                          {RungKind::settings, "settings"},
                                                          {RungKind::crosses, "crosses"},
                                                          {RungKind::halving, "halving"},
                                                          {RungKind::solves, "solves"}}};

std::size_t divided_up(std::size_t a, std::size_t b) {
  return (a + b - 1) / b;
}

int distance_of(LadderSpace const& space, int level) {
  int distance = 1;
  while (divided_up(static_cast<std::size_t>(space.layers), static_cast<std::size_t>(distance)) >
         static_cast<std::size_t>(layers_per_level * level)) {
    distance *= 2;
  }
  return distance;
}

/// Candidates on the rung of settings, with the unchanged ones.
std::size_t settings_of(LadderSpace const& space, int level) {
  auto const layers = std::min<std::size_t>(best_layers, static_cast<std::size_t>(space.layers));
  return std::min(settings_per_level * static_cast<std::size_t>(level), layers * (1 + space.variations));
}

/// New searches, and kept ones on more facts than the rung before had.
std::size_t edits_of(LadderRung const& rung, std::size_t before) {
  return rung.add * rung.facts + rung.keep * (rung.facts - before);
}

}  // namespace

std::size_t unit_of(LadderSpace const& space) {
  return std::min(usual_unit, space.facts);
}

Ladder make_ladder(LadderSpace const& space, int level) {
  invariant(space.layers > 0 && space.facts > 0 && level > 0, "a ladder needs layers and facts");
  auto const unit = unit_of(space);
  auto const layers = static_cast<std::size_t>(space.layers);
  auto distance = distance_of(space, level);
  Ladder ladder{{RungKind::layers, distance, unit, 0, divided_up(layers, static_cast<std::size_t>(distance))}};
  for (distance /= 2; distance > 0; distance /= 2) ladder.push_back({RungKind::between, distance, unit, 0, 2 * best_layers});
  auto const settings = settings_of(space, level), kept_layers = std::min(best_layers, layers);
  ladder.push_back({RungKind::settings, 1, unit, kept_layers, settings - kept_layers});
  auto facts = std::min(2 * unit, space.facts);
  ladder.push_back({RungKind::crosses, 1, facts, std::max(kept_layers, settings / 2), settings / 4});
  for (auto candidates = ladder.back().keep + ladder.back().add; facts < space.facts;) {
    facts = std::min(2 * facts, space.facts);
    candidates = std::max<std::size_t>(2, candidates / 2);
    ladder.push_back({RungKind::halving, 1, facts, candidates, 0});
  }
  if (space.solves) ladder.push_back({RungKind::solves, 1, facts, 2, 0});
  return ladder;
}

Ladder through_layer(Ladder ladder, LadderSpace const& space, int layer) {
  auto& rung = ladder.front();
  rung.first = std::min(layer, space.layers - 1) % rung.distance;
  rung.add = divided_up(static_cast<std::size_t>(space.layers - rung.first), static_cast<std::size_t>(rung.distance));
  return ladder;
}

int top_level(LadderSpace const& space) {
  int level = 1;
  while (distance_of(space, level) > 1 || settings_of(space, level) < settings_of(space, level + 1)) ++level;
  return level;
}

std::size_t edits_of(Ladder const& ladder) {
  std::size_t edits = 0, before = 0;
  for (auto const& rung : ladder) {
    edits += edits_of(rung, before);
    before = rung.facts;
  }
  return edits;
}

double seconds_of(Ladder const& ladder, LadderSpace const& space, MeasuredRate const& rate) {
  auto const unit = unit_of(space), ranks = static_cast<std::size_t>(rate.ranks);
  double seconds = 0;
  std::size_t before = 0;
  for (auto const& rung : ladder) {
    auto const units = rung.add * divided_up(rung.facts, unit) + rung.keep * divided_up(rung.facts - before, unit);
    bool const unchanged = rung.kind == RungKind::layers || rung.kind == RungKind::between;
    seconds += rate.overhead + static_cast<double>(divided_up(units, ranks)) * rate.unit * (unchanged ? 1 : slower);
    before = rung.facts;
  }
  return seconds;
}

TuneBudget parse_tune_budget(std::string const& text) {
  TuneBudget budget{{}, {}, text};
  constexpr std::string_view word = "edits";
  if (text.ends_with(word)) {
    auto const digits = std::string_view(text).substr(0, text.size() - word.size());
    std::size_t edits = 0;
    auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), edits);
    if (error == std::errc() && end == digits.data() + digits.size() && edits > 0) budget.edits = edits;
  } else if (auto const seconds = parse_duration(text)) {
    budget.seconds = seconds;
  }
  if (!budget.edits && !budget.seconds)
    throw UserError("--budget takes a number of edits such as 500edits, or a time such as 40m or 1:30:00, not '" + text + "'.");
  return budget;
}

Ladder choose_ladder(LadderSpace const& space, std::optional<TuneBudget> const& budget, std::optional<MeasuredRate> const& rate) {
  auto const top = top_level(space);
  if (!budget) return make_ladder(space, std::min(middle_level, top));
  invariant(budget->edits || rate, "a budget of time needs a measured rate");
  auto const fits = [&](Ladder const& ladder) {
    return budget->edits ? edits_of(ladder) <= *budget->edits : seconds_of(ladder, space, *rate) <= *budget->seconds;
  };
  for (auto level = top; level > 0; --level) {
    auto ladder = make_ladder(space, level);
    if (fits(ladder)) return ladder;
  }
  auto const least = make_ladder(space, 1);
  auto const edits = edits_of(least);
  if (budget->edits) {
    throw UserError(
        fmt::format("A budget of {} edits is too small: the smallest ladder takes {} ({}). Give more, or fewer facts (--facts).",
                    *budget->edits, edits, describe(least)));
  }
  throw UserError(
      fmt::format("A budget of {} is too small: the smallest ladder takes about {} on {} ({} edits: {}), and {} facts with one "
                  "candidate take {}. Give more time, more ranks or fewer facts (--facts).",
                  format_duration(*budget->seconds), format_duration(seconds_of(least, space, *rate)),
                  counted(static_cast<std::size_t>(rate->ranks), "rank"), edits, describe(least), unit_of(space),
                  format_duration(rate->unit)));
}

std::string describe(Ladder const& ladder) {
  return join(ladder, ", ", [](auto const& rung) {
    return fmt::format("{} {} on {} facts", name_of_kind(rung.kind), rung.keep + rung.add, rung.facts);
  });
}

std::string name_of_kind(RungKind kind) {
  return name_of(rung_kind_names, kind);
}

std::optional<RungKind> rung_kind_of(std::string const& name) {
  return value_of(rung_kind_names, name);
}

}  // namespace onemask
