#include <onemask/core/invariant.hpp>

#include <string_view>

namespace onemask::detail {

void report_broken(std::source_location const& where, std::string const& what) {
  std::string_view const file = where.file_name();
  throw BrokenInvariant("Internal error: " + what + " (" + std::string(file.substr(file.rfind('/') + 1)) + ":" +
                        std::to_string(where.line()) + "). This is a defect of onemask; please report it.");
}

}  // namespace onemask::detail
