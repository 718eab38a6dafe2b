#include "mpi_call.hpp"

#include <onemask/core/backoff.hpp>
#include <onemask/core/error.hpp>

#include <array>

#include <fmt/core.h>
#if __has_include(<mpi-ext.h>)
#include <mpi-ext.h>
#endif

namespace onemask {

void check_mpi(int code, std::string const& what) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  if (MPI_Error_string(code, text.data(), &length) != MPI_SUCCESS) length = 0;
  std::string const reason =
      length > 0 ? std::string(text.data(), static_cast<std::size_t>(length)) : fmt::format("error {}", code);
  auto const message =
      fmt::format("MPI failed to {}: {}. A rank or its host may be lost; run the same command again to continue.", what, reason);
  if (is_loss(code)) throw LostRank(message);
  throw RunError(message);
}

bool is_loss(int code) {
#ifdef MPIX_ERR_PROC_FAILED
  int kind = MPI_SUCCESS;
  if (code == MPI_SUCCESS || MPI_Error_class(code, &kind) != MPI_SUCCESS) return false;
  return kind == MPIX_ERR_PROC_FAILED || kind == MPIX_ERR_PROC_FAILED_PENDING || kind == MPIX_ERR_REVOKED;
#else
  static_cast<void>(code);
  return false;
#endif
}

void wait_all(std::vector<MPI_Request>& requests, std::string const& what, std::function<void()> const& meanwhile) {
  std::vector<MPI_Status> statuses(requests.size());
  Backoff const backoff(std::chrono::milliseconds(1));  // a group's ranks are about equally fast
  for (int complete = 0; complete == 0;) {
    int const code = MPI_Testall(static_cast<int>(requests.size()), requests.data(), &complete, statuses.data());
    if (code == MPI_ERR_IN_STATUS) {
      for (auto const& status : statuses) {
        if (status.MPI_ERROR != MPI_ERR_PENDING) check_mpi(status.MPI_ERROR, what);
      }
    }
    check_mpi(code, what);
    if (complete == 0 && backoff.wait() && meanwhile) meanwhile();
  }
  requests.clear();
}

}  // namespace onemask
