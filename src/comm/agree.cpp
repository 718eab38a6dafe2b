#include <onemask/comm/agree.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>

#include <algorithm>
#include <exception>
#include <string>

#include <fmt/core.h>

namespace onemask {

namespace {

/// Kind of a failure, as the first letter of what a rank tells the others; nothing at all means success.
constexpr char kUser = 'u', kInterrupted = 'i', kRun = 'r';

std::string describe(std::exception_ptr const& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (UserError const& error) {
    return kUser + std::string(error.what());
  } catch (Interrupted const& error) {
    return kInterrupted + std::string(error.what());
  } catch (std::exception const& error) {
    return kRun + std::string(error.what());
  } catch (...) {
    return kRun + std::string("unknown failure");
  }
}

}  // namespace

void agree(Communicator const& comm, std::function<void()> const& work) {
  std::exception_ptr failure;
  try {
    work();
  } catch (...) {
    failure = std::current_exception();
  }
  if (comm.all_reduce_max(failure ? 1 : 0) == 0) return;

  auto const reports = comm.all_gather(failure ? describe(failure) : "");
  if (failure) std::rethrow_exception(failure);
  auto const failed = std::find_if(reports.begin(), reports.end(), [](auto const& report) { return !report.empty(); });
  invariant(failed != reports.end(), "a rank failed, but none says why");
  std::string const message = fmt::format("rank {}: {}", failed - reports.begin(), failed->substr(1));
  switch (failed->front()) {
    case kUser:
      throw UserError(message);
    case kInterrupted:
      throw Interrupted(message);
    default:
      throw RunError(message);
  }
}

}  // namespace onemask
