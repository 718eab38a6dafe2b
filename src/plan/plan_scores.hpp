#pragma once

#include <onemask/core/hash.hpp>
#include <onemask/plan/plan.hpp>
#include <onemask/study/study.hpp>

#include <vector>

namespace onemask {

/// Adds to a name what makes a trained mask binary.
void add_cut(Hasher& hasher, MaskOptions const& options);

/// Plans the conditions of all sets and masks, and the scores of all facts under them.
void plan_scores(Study const& study, Fingerprints const& fingerprints, Plan& plan);

/// Plans the perplexity of the text, if there is any, under the models whose conditions are planned.
void plan_perplexity(PerplexityOptions const& options, std::vector<TextPiece> const& text, Fingerprints const& fingerprints,
                     Plan& plan);

}  // namespace onemask
