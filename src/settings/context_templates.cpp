#include <onemask/core/error.hpp>
#include <onemask/settings/context_templates.hpp>

#include <fmt/core.h>

namespace onemask {

void check_context_templates(ContextTemplates const& templates, std::string const& where) {
  if (templates.empty() || templates.front() != "{}") throw UserError(where + ": the first context template must be \"{}\".");
  for (std::size_t i = 0; i < templates.size(); ++i) {
    auto const first = templates[i].find("{}");
    if (first == std::string::npos || templates[i].find("{}", first + 1) != std::string::npos) {
      throw UserError(fmt::format("{}: context template {} ('{}') must contain {{}} exactly once.", where, i, templates[i]));
    }
  }
}

}  // namespace onemask
