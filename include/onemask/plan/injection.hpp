#pragma once

#include <onemask/settings/injection_options.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace onemask {

/// Some facts of a set, edited in the model under a mask, and scored. Without a mask: what they are compared with. In the object
/// of the scores, facts are numbered from the task's first.
struct InjectionTask {
  std::size_t set = 0;
  std::ptrdiff_t mask = -1;                      ///< index in Plan::masks; -1: none
  ConditionKind kind = ConditionKind::edited;    ///< the trained mask, a baseline of its size, or `edited`: none
  bool sequential = false;                       ///< every edit goes into the model that carries those before it
  std::size_t earlier = 0;                       ///< tasks right before this one in the plan that are of its sequence
  std::vector<std::size_t> facts = {};           ///< of the plan
  std::vector<InjectionVariant> variants = {};   ///< that the facts are scored under
  std::vector<std::string> edits = {};           ///< object of each fact's edit, for all variants but `adaptive`
  std::vector<std::string> adaptive_edits = {};  ///< and for that one; none where it is not asked for
  std::string key = {};                          ///< object of the scores

  /// Whether it makes its edits; otherwise they are those of the set.
  bool makes_edits() const { return mask >= 0 || sequential; }
};

/// Whether both belong to one model of the tables: the same mask over all its facts.
inline bool are_alike(InjectionTask const& a, InjectionTask const& b) {
  return a.set == b.set && a.mask == b.mask && a.kind == b.kind && a.sequential == b.sequential;
}

}  // namespace onemask
