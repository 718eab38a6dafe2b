#pragma once

#include <onemask/plan/plan.hpp>

#include <cstddef>
#include <map>
#include <set>
#include <string>

namespace onemask {

/// What is in the plan already, by object or hash.
struct KnownTasks {
  std::set<std::string> values, null_spaces;
  std::map<std::string, std::size_t> sets;
};

/// Adds the way of editing and plans its tasks, or finds the equal one; its place in the plan.
std::size_t add_set(EditSet set, Fingerprints const& fingerprints, Plan& plan, KnownTasks& known);

}  // namespace onemask
