#include <onemask/core/stopped_within.hpp>

#include <condition_variable>
#include <mutex>

namespace onemask {

bool stopped_within(std::chrono::milliseconds time, std::stop_token const& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait_for(lock, stop, time, [] { return false; });
  return stop.stop_requested();
}

}  // namespace onemask
