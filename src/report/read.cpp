#include "report/study_parts.hpp"
#include <onemask/report/read.hpp>

namespace onemask {

StudyFile read_results(std::filesystem::path const& study_file) {
  return read_study_file(study_file, {"conditions", "summary", "perplexity", "published", "known", "injections",
                                      "injection_scores", stages_table, objects_table,
                                      // for the tests of findings
                                      "facts/split", "facts/relation", "metrics/fact", "metrics/condition", "metrics/kind",
                                      "metrics/lp_true", "metrics/lp_new"});
}

}  // namespace onemask
