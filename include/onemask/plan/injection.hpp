#pragma once

#include <onemask/settings/injection_options.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace onemask {

/// What facts are edited under: the trained mask or a baseline of its size.
struct InjectedMask {
  std::ptrdiff_t mask = -1;                    ///< index in Plan::masks; -1: none
  ConditionKind kind = ConditionKind::edited;  ///< `edited`: none

  bool operator==(InjectedMask const&) const = default;
};

/// A unit of facts whose values a method for many facts searches for in the model under a mask: what EditTask is without one.
struct MaskedValuesTask {
  std::size_t set = 0;
  InjectedMask under = {};
  std::vector<std::size_t> facts = {};
  std::string key = {};  ///< object of the values
};

/// Facts written into one model under a mask: what SolveTask is without one.
struct MaskedSolveTask {
  std::size_t set = 0;
  InjectedMask under = {};
  bool adaptive = false;                 ///< whether the update goes through kept entries alone
  std::vector<std::size_t> facts = {};   ///< those of the SolveTask
  std::vector<std::string> values = {};  ///< objects that hold their values
  std::string key = {};                  ///< object
};

/// Some facts of a set, edited in the model under a mask, and scored. Without a mask: what they are compared with. In the object
/// of the scores, facts are numbered from the task's first.
struct InjectionTask {
  std::size_t set = 0;
  InjectedMask under = {};
  bool in_one_model = false;                    ///< its facts are, with others; `edits` and `adaptive_edits` name one object each
  bool sequential = false;                      ///< every edit goes into the model that carries those before it
  std::size_t earlier = 0;                      ///< tasks right before this one in the plan that are of its sequence
  std::vector<std::size_t> facts = {};          ///< of the plan
  std::vector<InjectionVariant> variants = {};  ///< that the facts are scored under
  std::vector<std::string> edits = {};          ///< object of each fact's edit, for all variants but `adaptive`
  std::vector<std::string> adaptive_edits = {};  ///< and for that one; none where it is not asked for
  std::string key = {};                          ///< object of the scores

  /// Whether it makes its edits; otherwise they are those of the set, or of a MaskedSolveTask.
  bool makes_edits() const { return !in_one_model && (under.mask >= 0 || sequential); }
};

/// Whether both belong to one model of the tables: the same mask over all its facts.
inline bool are_alike(InjectionTask const& a, InjectionTask const& b) {
  return a.set == b.set && a.under == b.under && a.sequential == b.sequential;
}

}  // namespace onemask
