#include "launcher_watch.hpp"
#include "mpi_backend.hpp"
#include "mpi_call.hpp"
#include <onemask/comm/environment.hpp>
#include <onemask/core/deadline.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/log.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <unistd.h>

namespace onemask {

namespace {

bool started_by_launcher() {
  constexpr std::array variables{"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"};
  return std::any_of(variables.begin(), variables.end(), [](char const* name) { return std::getenv(name) != nullptr; });
}

void start_mpi(int& argc, char**& argv) {
  int provided = 0;
  check_mpi(MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided), "start");
  if (provided < MPI_THREAD_MULTIPLE) {
    MPI_Finalize();
    throw RunError(
        "This MPI library does not offer MPI_THREAD_MULTIPLE, which the task queue needs; use one that was built with it.");
  }
}

}  // namespace

Environment::Environment(int& argc, char**& argv) : launched_(started_by_launcher()), exceptions_(std::uncaught_exceptions()) {
  if (!launched_) return;
  launcher_ = std::make_unique<LauncherWatch>();
  start_mpi(argc, argv);
  MPI_Comm world = MPI_COMM_NULL, local = MPI_COMM_NULL;
  check_mpi(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "set up the world");
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &world), "set up the world");
  world_ = Communicator(std::make_shared<MpiBackend>(world));
  check_mpi(MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &local), "find the ranks of this host");
  local_ = Communicator(std::make_shared<MpiBackend>(local));
}

Environment::~Environment() {
  // To finalize may wait for the dead.
  if (!launched_ || !finalizes_ || std::uncaught_exceptions() > exceptions_) return;
  local_ = Communicator();
  world_ = Communicator();
  Deadline const deadline(std::chrono::seconds(30), [this] {
    log_warning("Some ranks hang at the end of the run; they are killed.");
    abort_world(code_);
  });
  MPI_Finalize();
}

void Environment::abort_world(int code) const {
  std::fflush(nullptr);
  if (launched_) MPI_Abort(MPI_COMM_WORLD, code);
  std::_Exit(code);
}

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

}  // namespace onemask
