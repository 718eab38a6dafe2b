#include <onemask/core/invariant.hpp>

#include <string_view>

#include <fmt/core.h>

namespace onemask::detail {

void report_broken(Claim const& claim, std::string const& what) {
  std::string_view const file = claim.file;
  throw BrokenInvariant(fmt::format("Internal error: {} ({}:{}). This is a defect of onemask; please report it.", what,
                                    file.substr(file.rfind('/') + 1), claim.line));
}

}  // namespace onemask::detail
