#pragma once

#include <onemask/tune/tune.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace onemask {

/// What a rung adds to the candidates that it keeps.
enum class RungKind {
  layers,    ///< every n-th layer
  between,   ///< layers between those, near the best two
  settings,  ///< on the best two layers, one setting changed
  crosses,   ///< changes of two good candidates together
  halving,   ///< nothing: more facts
  solves     ///< nothing but finer values of what matters after the search
};

/// A study of the ladder.
struct LadderRung {
  RungKind kind = RungKind::layers;
  int distance = 1;       ///< between layers
  std::size_t facts = 0;  ///< the first of the probe facts
  std::size_t keep = 0;   ///< searches from the rungs before
  std::size_t add = 0;    ///< new searches at most
  int first = 0;          ///< lowest of the layers, where the rung tries every n-th

  bool operator==(LadderRung const&) const = default;
};

/// What a ladder is climbed over.
struct LadderSpace {
  int layers = 0;              ///< that may be edited
  std::size_t variations = 0;  ///< changes of one setting
  std::size_t facts = 0;       ///< on the last rung
  bool solves = false;         ///< whether there are settings that matter only after the search
};

using Ladder = std::vector<LadderRung>;

/// Facts that are edited together: those of the first rungs. Later rungs use their edits again.
std::size_t unit_of(LadderSpace const& space);

/// The ladder of a level, from 1: about 8 layers and 4 settings more with every level, until there are no more.
Ladder make_ladder(LadderSpace const& space, int level);
/// From here on ladders grow no more.
int top_level(LadderSpace const& space);

/// The ladder with `layer` among the layers that its first rung tries.
Ladder through_layer(Ladder ladder, LadderSpace const& space, int layer);

/// Searches for a fact's value that the ladder takes at most.
std::size_t edits_of(Ladder const& ladder);

/// How fast the ranks are.
struct MeasuredRate {
  double unit = 0;      ///< [s] to edit and score one unit of facts on one rank
  double overhead = 0;  ///< [s] of a rung beside its tasks: loading the model, gathering
  int ranks = 1;
};
/// Wall time that the ladder will take [s].
double seconds_of(Ladder const& ladder, LadderSpace const& space, MeasuredRate const& rate);

/// The largest ladder within the budget; without one, that of a middle level. Throws UserError, saying what the smallest costs,
/// where none fits. `rate` is needed for a budget of time.
Ladder choose_ladder(LadderSpace const& space, std::optional<TuneBudget> const& budget, std::optional<MeasuredRate> const& rate);

/// "layers 15 × 8 facts, settings 12 × 8, …"
std::string describe(Ladder const& ladder);

/// As files name it.
std::string name_of_kind(RungKind kind);
std::optional<RungKind> rung_kind_of(std::string const& name);

}  // namespace onemask
