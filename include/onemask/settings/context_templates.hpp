#pragma once

#include <string>
#include <vector>

namespace onemask {

/// Prefixes that an edit is averaged over, each with one "{}" where the prompt goes; the first is "{}" itself.
using ContextTemplates = std::vector<std::string>;

/// Throws UserError naming `where` unless every template holds "{}" exactly once and the first is "{}".
void check_context_templates(ContextTemplates const& templates, std::string const& where);

}  // namespace onemask
