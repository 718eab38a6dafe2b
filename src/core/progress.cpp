#include <onemask/core/progress.hpp>
#include <onemask/core/text.hpp>

#include <utility>

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
  std::string line = stage_ + ": " + std::to_string(done_) + " of " + std::to_string(total_) + " " + unit_;
  if (last) {
    line += " in " + format_duration(elapsed);
    if (already_ > 0) line += " (" + std::to_string(already_) + " of them done before)";
  } else if (fresh > 0 && elapsed > 0) {
    double const left = total_ > done_ ? static_cast<double>(total_ - done_) : 0.0;
    line += fresh >= elapsed ? ", " + std::to_string(static_cast<long long>(fresh / elapsed)) + " a second"
                             : ", " + format_duration(elapsed / fresh) + " each";
    line += ", " + format_duration(left * elapsed / fresh) + " left";
  }
  return line;
}

}  // namespace onemask
