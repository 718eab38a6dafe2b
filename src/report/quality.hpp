#pragma once

#include "report/summary.hpp"
#include <onemask/report/document.hpp>

#include <optional>
#include <string>

namespace onemask {

/// The quality of edits by CounterFact's definitions, for a group of facts whose neighborhood is scored; none for another. Every
/// kind of model, and with `per_mask` every study point, has a line for each kind of prompts and one for the score.
std::optional<DocumentBlock> quality_block(Summary const& summary, EditedModels const& edits, Group const& group, bool per_mask);

/// What the block's columns mean.
inline constexpr char const* quality_definitions =
    "editing quality: CounterFact's definitions; P(object) is exp of the mean log-probability of the object's tokens.\n"
    "success: share of prompts with P(new) > P(true), in the neighborhood P(true) > P(new). magnitude: their difference.\n"
    "rewrite: the edit's own prompt; paraphrase: it in other words; neighborhood: prompts about other subjects with the same "
    "true\n"
    "object. score: harmonic mean of the three successes, over the facts that have all three kinds of prompts.\n";

}  // namespace onemask
