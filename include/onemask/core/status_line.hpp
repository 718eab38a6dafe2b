#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace onemask {

/// A line on stderr that says how far something is: redrawn on a terminal, a line a minute in the log elsewhere.
class StatusLine {
 public:
  StatusLine();

  /// Shows the line that `text` makes, if it is time to.
  void update(std::function<std::string()> const& text);
  /// Shows a last line, in the log.
  void close(std::string const& text);

 private:
  bool terminal_;
  std::chrono::steady_clock::time_point shown_;
};

}  // namespace onemask
