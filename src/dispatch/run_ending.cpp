#include <onemask/dispatch/run_ending.hpp>

#include <stdexcept>

namespace onemask {

int exit_code(RunEnding::End end) {
  switch (end) {
    case RunEnding::End::complete:
      return 0;
    case RunEnding::End::partial:
      return 3;
    case RunEnding::End::interrupted:
      return 75;
    case RunEnding::End::failed:
      return 1;
    case RunEnding::End::refused:
      return 2;
  }
  throw std::logic_error("a run ended in no known way");
}

}  // namespace onemask
