#include "report/study_parts.hpp"
#include <onemask/report/read.hpp>

#include <set>
#include <string>

namespace onemask {

StudyFile read_results(std::filesystem::path const& study_file, bool with_ranks, bool with_changes) {
  std::set<std::string> wanted{"conditions", "summary", "perplexity", "published", "known", "injections", "injection_scores",
                               "tracing", "tracing_facts", stages_table, objects_table,
                               // for the tests of findings
                               "facts/split", "facts/relation", "metrics/fact", "metrics/condition", "metrics/kind",
                               "metrics/lp_true", "metrics/lp_new"};
  if (with_ranks) wanted.insert({"metrics/rank_true", "metrics/rank_new"});
  if (with_changes) wanted.insert({"metrics/kl", "metrics/top1_changed", "metrics/tokens_true", "metrics/tokens_new"});
  return read_study_file(study_file, wanted);
}

}  // namespace onemask
