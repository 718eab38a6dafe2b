#include <onemask/core/progress.hpp>
#include <onemask/core/text.hpp>

#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point moment) {
  return std::chrono::duration<double>(Clock::now() - moment).count();
}

}  // namespace

Progress::Progress(std::string stage, std::string unit, std::size_t total, std::size_t already)
    : stage_(std::move(stage)), unit_(std::move(unit)), total_(total), already_(already), done_(already), start_(Clock::now()) {}

Progress::~Progress() {
  try {
    line_.close(text(true));
  } catch (...) {  // a line of progress is not worth the run
  }
}

void Progress::advance(std::size_t by) {
  done_ += by;
  line_.update([this] { return text(false); });
}

std::string Progress::text(bool last) const {
  double const elapsed = seconds_since(start_);
  auto const fresh = static_cast<double>(done_ - already_);
  std::string line = fmt::format("{}: {} of {} {}", stage_, done_, total_, unit_);
  if (last) {
    line += " in " + format_duration(elapsed);
    if (already_ > 0) line += fmt::format(" ({} of them done before)", already_);
  } else if (fresh > 0 && elapsed > 0) {
    double const left = total_ > done_ ? static_cast<double>(total_ - done_) : 0.0;
    line += fresh >= elapsed ? fmt::format(", {} a second", static_cast<long long>(fresh / elapsed))
                             : fmt::format(", {} each", format_duration(elapsed / fresh));
    line += fmt::format(", {} left", format_duration(left * elapsed / fresh));
  }
  return line;
}

}  // namespace onemask
