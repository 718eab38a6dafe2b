#include <onemask/core/log.hpp>
#include <onemask/core/status_line.hpp>

#include <cstdio>
#include <unistd.h>

namespace onemask {

using Clock = std::chrono::steady_clock;

StatusLine::StatusLine() : terminal_(::isatty(STDERR_FILENO) == 1), shown_(Clock::now()) {}

void StatusLine::update(std::function<std::string()> const& text) {
  if (Clock::now() - shown_ < std::chrono::milliseconds(terminal_ ? 200 : 60'000)) return;
  if (terminal_) {
    std::fprintf(stderr, "\r\x1b[K%s", text().c_str());
    std::fflush(stderr);
  } else {
    log_info(text());
  }
  shown_ = Clock::now();
}

void StatusLine::close(std::string const& text) {
  if (terminal_) std::fputs("\r\x1b[K", stderr);
  log_info(text);
}

}  // namespace onemask
