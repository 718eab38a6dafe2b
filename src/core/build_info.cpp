#include <onemask/core/build_info.hpp>

#include <onemask_revision.hpp>

namespace onemask {

std::string version() {
  return ONEMASK_VERSION;
}

std::map<std::string, std::string> build_info() {
  return {{"version", version()},
          {"revision", ONEMASK_REVISION},
          {"build_type", ONEMASK_BUILD_TYPE},
          {"libtorch", ONEMASK_LIBTORCH},
#ifdef __clang__
          {"compiler", __VERSION__}};
#else
          {"compiler", "GCC " __VERSION__}};
#endif
}

}  // namespace onemask
