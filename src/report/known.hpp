#pragma once

#include "report/summary.hpp"

#include <string>
#include <vector>

namespace onemask {

/// "; known 599 of 1000 (two-way)" for the heading of a table; empty where the facts of the group were not chosen so.
std::string known_note(StudyFile const& study, Group const& group);

inline constexpr char const* known_definition =
    "known k of n: facts that the unedited model knows, among those that were scored to choose the split (two-way: the true "
    "object\n"
    "is likelier than the new one; top-1: each of its tokens is the likeliest).\n";

/// The same for the summary's form: shares of the facts that were scored, which the model knows ("known") and which are in the
/// split ("taken"). They have no interval; n is the number of scored facts, planned that of all that could be chosen.
struct KnownShare {
  Group group;
  std::string metric;
  bool paraphrases;  ///< whether the test reads them besides the rewrite prompts
  double mean;
  std::int64_t n, planned;
};
std::vector<KnownShare> known_shares(StudyFile const& study);

}  // namespace onemask
