#pragma once

#include "report/perplexity.hpp"
#include "report/summary.hpp"
#include <onemask/report/document.hpp>

#include <string>
#include <vector>

namespace onemask {

/// The figures of the table "published", each beside what the study has for it, a block for each source; none where there is no
/// such table. Throws UserError when a column is missing or a model not known.
std::vector<DocumentBlock> published_blocks(StudyFile const& study, Summary const& summary, Perplexities const& perplexities);

}  // namespace onemask
