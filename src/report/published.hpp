#pragma once

#include "report/perplexity.hpp"
#include "report/summary.hpp"

#include <string>

namespace onemask {

/// The figures of the table "published", each beside what the study has for it; "" where there is no such table. Throws UserError
/// when a column is missing or a model not known.
std::string published_block(StudyFile const& study, Summary const& summary, Perplexities const& perplexities);

}  // namespace onemask
