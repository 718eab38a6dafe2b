#pragma once

#include <onemask/comm/communicator.hpp>
#include <onemask/data/candidates.hpp>
#include <onemask/eval/fact_margins.hpp>
#include <onemask/model/causal_lm.hpp>
#include <onemask/settings/fingerprints.hpp>
#include <onemask/store/object_store.hpp>
#include <onemask/study/study.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace onemask {

/// How facts are scored before there is a plan: those of a relation in the order of the split, evaluation.batch at a time. Such a
/// unit is an object, named by its facts and the model, so that neither the ranks nor what else is chosen decide a bit of it.
struct FactScoring {
  Communicator const& world;
  Study const& study;
  Fingerprints const& fingerprints;
  CausalLM const& model;
  Tokenizer const& tokenizer;
  ObjectStore const* objects = nullptr;  ///< that units are looked for and kept in; null: none
  bool is_able = true;                   ///< whether this process computes on the kind of device that the tasks are done on
  int part = 0, parts = 1;               ///< of processes that score the same facts without MPI; each begins at another place
  std::function<bool()> must_stop = [] { return false; };  ///< asked before every unit
};

/// The facts of a study and where they come from.
struct FoundFacts {
  SelectedFacts selected;
  std::set<std::string> objects = {};  ///< units that were needed
  bool scored = true;                  ///< false: some are not there and cannot be made here; their facts count as known
};

/// The facts of all splits. Where a split asks for facts that the model knows, only as many of its candidates are scored as
/// decide it. Collective: the ranks share the units of a round; the same result on every rank. Throws UserError as
/// read_candidates, choose_facts, join_splits and margins_of do, and where ranks see different files; Interrupted when it must
/// stop.
FoundFacts find_facts(FactScoring const& scoring);

/// The margins of all candidates, in their order. Collective; throws as find_facts. The process must be able to score.
std::vector<FactMargins> score_all(FactScoring const& scoring, Candidates const& candidates);

/// Whether a fact with these margins passes the test of a selection.
bool is_known(FactMargins const& margins, FactSelection const& selection);

}  // namespace onemask
