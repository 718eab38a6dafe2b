#include "tune/climb.hpp"

#include <onemask/core/invariant.hpp>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

namespace onemask {
namespace {

/// Equal for candidates that share their search.
std::string search_of(TuneCandidate const& candidate) {
  return describe(candidate.hparams);
}

/// Of each search its best trial.
std::vector<TuneTrial> best_searches(std::vector<TuneTrial> const& trials, std::size_t facts) {
  std::vector<TuneTrial> best;
  std::set<std::string> known;
  for (auto& trial : ranking(trials, facts)) {
    if (known.insert(search_of(trial.candidate)).second) best.push_back(std::move(trial));
  }
  return best;
}

/// The first of them, as the start has what matters after the search.
std::vector<TuneCandidate> kept(std::vector<TuneTrial> const& best, std::size_t count, EditHparams const& start) {
  std::vector<TuneCandidate> candidates;
  for (auto const& trial : best) {
    if (candidates.size() == count) break;
    candidates.push_back(candidate_at(start, trial.candidate.hparams.layer(), trial.candidate.changed));
  }
  return candidates;
}

std::vector<TuneCandidate> layers_between(std::vector<TuneTrial> const& best, LadderRung const& rung, EditHparams const& start,
                                          int layers) {
  std::set<int> wanted;
  for (std::size_t i = 0; i < std::min(best.size(), rung.add / 2); ++i) {
    auto const layer = best[i].candidate.hparams.layer();
    for (auto const near : {layer - rung.distance, layer + rung.distance}) {
      if (near >= 0 && near < layers) wanted.insert(near);
    }
  }
  for (auto const& trial : best) wanted.erase(trial.candidate.hparams.layer());
  std::vector<TuneCandidate> candidates;
  for (auto const layer : wanted) candidates.push_back(candidate_at(start, layer, {}));
  return candidates;
}

/// Every variation on the first layer, then on the second, until there are enough.
void add_variations(std::vector<TuneCandidate>& candidates, std::size_t add, EditHparams const& start) {
  std::vector<int> layers;
  for (auto const& candidate : candidates) layers.push_back(candidate.hparams.layer());
  for (auto const& change : variations_of(start)) {
    for (auto const layer : layers) {
      if (add == 0) return;
      candidates.push_back(candidate_at(start, layer, {change}));
      --add;
    }
  }
}

/// Both candidates' changes in one; nothing where they change the same setting, or one of them none.
std::optional<TuneCandidate> cross(TuneCandidate const& a, TuneCandidate const& b, EditHparams const& start) {
  if (a.hparams.layer() != b.hparams.layer() || a.changed.empty() || b.changed.empty()) return std::nullopt;
  auto changed = a.changed;
  for (auto const& change : b.changed) {
    bool const same = std::any_of(changed.begin(), changed.end(), [&](auto const& known) { return known.key == change.key; });
    if (same) return std::nullopt;
    changed.push_back(change);
  }
  return candidate_at(start, a.hparams.layer(), std::move(changed));
}

/// Crosses of the kept ones, pairs of the best first.
void add_crosses(std::vector<TuneCandidate>& candidates, std::size_t add, EditHparams const& start) {
  auto const parents = candidates;
  for (std::size_t places = 1; places < 2 * parents.size() && add > 0; ++places) {
    for (std::size_t i = 0; 2 * i < places && add > 0; ++i) {
      if (places - i >= parents.size()) continue;
      if (auto found = cross(parents[i], parents[places - i], start)) {
        candidates.push_back(*std::move(found));
        --add;
      }
    }
  }
}

}  // namespace

bool is_better(TuneTrial const& a, TuneTrial const& b) {
  if (a.fits != b.fits) return a.fits;
  auto const by_worth = [](TuneTrial const& trial) {
    auto const worth = trial.fits ? -trial.quality.score.mean : trial.drift;
    return std::isnan(worth) ? std::numeric_limits<double>::infinity() : worth;
  };
  auto const& h = a.candidate.hparams;
  auto const& g = b.candidate.hparams;
  return std::tuple(by_worth(a), h.layer(), h.v_num_grad_steps, h.layers.size(), name_of_settings(h)) <
         std::tuple(by_worth(b), g.layer(), g.v_num_grad_steps, g.layers.size(), name_of_settings(g));
}

std::vector<TuneTrial> ranking(std::vector<TuneTrial> const& trials, std::size_t facts) {
  std::vector<TuneTrial> order;
  std::set<std::string> known;
  for (auto const& trial : trials) {
    if (trial.facts == facts && known.insert(name_of_settings(trial.candidate.hparams)).second) order.push_back(trial);
  }
  std::sort(order.begin(), order.end(), is_better);
  return order;
}

std::vector<TuneCandidate> searches_of(LadderRung const& rung, std::vector<TuneTrial> const& before, EditHparams const& start,
                                       int layers) {
  std::vector<TuneCandidate> candidates;
  if (rung.kind == RungKind::layers) {
    for (int layer = rung.first; layer < layers; layer += rung.distance) candidates.push_back(candidate_at(start, layer, {}));
    return candidates;
  }
  invariant(!before.empty(), "a rung has nothing below it");
  auto const best = best_searches(before, before.back().facts);
  if (rung.kind == RungKind::between) return layers_between(best, rung, start, layers);
  candidates = kept(best, rung.keep, start);
  if (rung.kind == RungKind::settings) add_variations(candidates, rung.add, start);
  if (rung.kind == RungKind::crosses) add_crosses(candidates, rung.add, start);
  return candidates;
}

std::vector<TuneCandidate> candidates_of(LadderRung const& rung, std::vector<TuneTrial> const& before, EditHparams const& start,
                                         int layers, int window) {
  std::vector<TuneCandidate> candidates;
  auto const add = [&](std::vector<TuneCandidate> const& searches, auto const& solves) {
    for (auto const& search : searches) {
      for (auto& hparams : solves(search.hparams)) candidates.push_back({std::move(hparams), search.changed});
    }
  };
  if (rung.kind != RungKind::solves) {
    add(searches_of(rung, before, start, layers), solves_of);
    return candidates;
  }
  std::vector<TuneCandidate> best;
  for (auto& trial : best_searches(before, before.back().facts)) {
    if (best.size() < rung.keep) best.push_back(std::move(trial.candidate));
  }
  add(best, [&](EditHparams const& hparams) { return finer_solves_of(hparams, window); });
  return candidates;
}

}  // namespace onemask
