#pragma once

#include <onemask/comm/communicator.hpp>
#include <onemask/model/causal_lm.hpp>
#include <onemask/plan/plan.hpp>

#include <vector>

namespace onemask {

/// Finds the finished edits of every point of the study for these facts, those of make_plan, and reads all of them once: rank 0
/// does, and tells the others. Nothing where no point imports edits. Collective; throws UserError on every rank for files that no
/// task could use: missing ones that the study names, edits of another model, ones that change different layers, and when no fact
/// has an edit.
std::vector<FinishedEdits> find_finished_edits(Communicator const& world, Study const& study, std::vector<SplitFact> facts,
                                               CausalLM const& model);

}  // namespace onemask
