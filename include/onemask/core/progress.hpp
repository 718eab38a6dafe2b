#pragma once

#include <onemask/core/status_line.hpp>

#include <chrono>
#include <cstddef>
#include <string>

namespace onemask {

/// Says on stderr how far a stage is, with its rate and the time left: one redrawn line on a terminal, a line a minute elsewhere.
class Progress {
 public:
  /// `unit` names what is counted ("edits"). `already` of `total` were done before this run and do not count for the rate.
  Progress(std::string stage, std::string unit, std::size_t total, std::size_t already = 0);
  ~Progress();
  Progress(Progress const&) = delete;
  Progress& operator=(Progress const&) = delete;

  void advance(std::size_t by = 1);

 private:
  std::string text(bool last) const;

  std::string stage_, unit_;
  std::size_t total_, already_, done_;
  StatusLine line_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace onemask
