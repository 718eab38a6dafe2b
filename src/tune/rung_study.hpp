#pragma once

#include "tune/space.hpp"
#include <onemask/study/study.hpp>

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace onemask {

/// The split that probe facts are of.
inline constexpr char const* probe_split = "probe";

/// What tells how far edited models are from the unedited one.
enum class DriftMeasure {
  perplexity,      ///< of the study's text, divided by the unedited model's
  neighborhood_kl  ///< KL(original ‖ edited) of the next token at neighborhood prompts [nats]
};
/// Perplexity where all of so many probe facts are in one model and the study has a text for it.
DriftMeasure drift_measure(Study const& study, std::size_t facts);
/// Candidates with more are not chosen, unless another limit is given.
double usual_limit(DriftMeasure measure);
/// "perplexity, edited / unedited"
std::string name_of_measure(DriftMeasure measure);

/// Throws UserError where the edits of few facts are no part of those of more, so that a ladder would cost more than it counts:
/// where a model of fewer than `facts` facts is edited again, or facts share values in models that units of facts do not fill.
void require_reuse(EditOptions const& edit, std::size_t facts, std::size_t unit);

/// The study of a rung: the candidates as points, without masks, over the first `count` facts of `probes`, edited and scored in
/// units of `unit` facts.
Study rung_study(Study const& study, std::string const& name, std::vector<TuneCandidate> const& candidates,
                 std::filesystem::path const& probes, std::size_t count, std::size_t unit);

}  // namespace onemask
