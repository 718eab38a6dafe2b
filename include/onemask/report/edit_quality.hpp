#pragma once

#include <onemask/report/estimate.hpp>
#include <onemask/store/study_file.hpp>

#include <map>
#include <optional>
#include <string>

namespace onemask {

/// How good the edits of a split are in one way of editing, by CounterFact's definitions: success of rewrites (ES), of
/// paraphrases (PS) and in the neighborhood (NS), and their harmonic mean (score), over facts that have all three kinds of
/// prompts.
struct EditQuality {
  Estimate rewrite, paraphrase, neighborhood, score;
  double neighborhood_kl = 0;  ///< KL(original ‖ edited) of the next token at neighborhood prompts, mean over facts [nats]
  std::optional<double> perplexity_ratio;  ///< to the unedited model's, where the study takes it for such models
};

/// By the way of editing, as the table "conditions" names it in the column "set". The study must have one split, its neighborhood
/// scored, and hold the table "metrics". Throws UserError when it lacks a table or a column; ways of editing without such scores
/// are left out.
std::map<std::string, EditQuality> edit_qualities(StudyFile const& study, std::string const& split);

}  // namespace onemask
