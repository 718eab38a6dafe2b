#include <onemask/core/invariant.hpp>

#include <string_view>

#include <fmt/core.h>

namespace onemask::detail {

void report_broken(std::source_location const& where, std::string const& what) {
  std::string_view const file = where.file_name();
  throw BrokenInvariant(fmt::format("Internal error: {} ({}:{}). This is a defect of onemask; please report it.", what,
                                    file.substr(file.rfind('/') + 1), where.line()));
}

}  // namespace onemask::detail
