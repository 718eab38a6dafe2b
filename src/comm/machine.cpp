#include "mpi_call.hpp"
#include <onemask/comm/machine.hpp>

#include <array>
#include <cctype>

#if __has_include(<mpi-ext.h>)
#include <mpi-ext.h>
#endif

namespace onemask {

namespace {

/// "MPICH Version:      4.1\nMPICH Release date: …" and "Open MPI v5.0.11, package: …": what stands before the details, with
/// single spaces.
std::string library_name(std::string const& text) {
  std::string name;
  for (char const c : text.substr(0, text.find_first_of(",\n"))) {
    bool const space = std::isspace(static_cast<unsigned char>(c)) != 0;
    if (!space) name += c;
    if (space && !name.empty() && name.back() != ' ') name += ' ';
  }
  return name.empty() ? "an MPI library without a name" : name;
}

bool survives_failure() {
#ifdef MPIX_FT
  int* enabled = nullptr;
  int found = 0;
  check_mpi(MPI_Comm_get_attr(MPI_COMM_WORLD, MPIX_FT, &enabled, &found), "report whether it survives failures");
  return found != 0 && *enabled != 0;
#else
  return false;
#endif
}

std::string thread_level() {
  int level = MPI_THREAD_SINGLE;
  check_mpi(MPI_Query_thread(&level), "report its support of threads");
  switch (level) {
    case MPI_THREAD_MULTIPLE:
      return "MPI_THREAD_MULTIPLE";
    case MPI_THREAD_SERIALIZED:
      return "MPI_THREAD_SERIALIZED";
    case MPI_THREAD_FUNNELED:
      return "MPI_THREAD_FUNNELED";
    default:
      return "MPI_THREAD_SINGLE";
  }
}

}  // namespace

MessagePassing message_passing() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0, started = 0;
  check_mpi(MPI_Get_library_version(text.data(), &length), "report its version");
  check_mpi(MPI_Initialized(&started), "report whether it is started");
  MessagePassing result;
  result.library = library_name(text.data());
  result.started = started != 0;
#ifdef MPIX_FT
  result.survivable = true;
#endif
  if (result.started) {
    result.threads = thread_level();
    result.survives_failure = survives_failure();
  }
  return result;
}

}  // namespace onemask
