#include <onemask/core/log.hpp>
#include <onemask/core/progress.hpp>
#include <onemask/core/text.hpp>

#include <cstdio>
#include <unistd.h>
#include <utility>

namespace onemask {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point moment) {
  return std::chrono::duration<double>(Clock::now() - moment).count();
}

}  // namespace

Progress::Progress(std::string stage, std::string unit, std::size_t total, std::size_t already)
    : stage_(std::move(stage)),
      unit_(std::move(unit)),
      total_(total),
      already_(already),
      done_(already),
      terminal_(::isatty(STDERR_FILENO) == 1),
      start_(Clock::now()),
      printed_(start_) {}

Progress::~Progress() {
  try {
    print(true);
  } catch (...) {  // a line of progress is not worth the run
  }
}

void Progress::advance(std::size_t by) {
  done_ += by;
  if (seconds_since(printed_) < (terminal_ ? 0.2 : 60.0)) return;
  print(false);
  printed_ = Clock::now();
}

void Progress::print(bool last) {
  double const elapsed = seconds_since(start_);
  auto const fresh = static_cast<double>(done_ - already_);
  std::string line = stage_ + ": " + std::to_string(done_) + " of " + std::to_string(total_) + " " + unit_;
  if (last) {
    line += " in " + format_duration(elapsed);
    if (already_ > 0) line += " (" + std::to_string(already_) + " were there before)";
  } else if (fresh > 0 && elapsed > 0) {
    double const left = total_ > done_ ? static_cast<double>(total_ - done_) : 0.0;
    line += fresh >= elapsed ? ", " + std::to_string(static_cast<long long>(fresh / elapsed)) + " a second"
                             : ", " + format_duration(elapsed / fresh) + " each";
    line += ", " + format_duration(left * elapsed / fresh) + " left";
  }
  if (terminal_ && !last) {
    std::fprintf(stderr, "\r\x1b[K%s", line.c_str());
    std::fflush(stderr);
    return;
  }
  if (terminal_) std::fputs("\r\x1b[K", stderr);
  log_info(line);
}

}  // namespace onemask
