#include "launcher_watch.hpp"
#include "local_processes.hpp"
#include "mpi_backend.hpp"
#include "mpi_call.hpp"
#include <onemask/comm/environment.hpp>
#include <onemask/core/deadline.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/log.hpp>
#include <onemask/core/text.hpp>

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <netinet/in.h>
#include <optional>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/core.h>

namespace onemask {

namespace {

bool is_set(char const* variable) {
  return std::getenv(variable) != nullptr;
}

int number_in(char const* variable) {
  auto const* text = std::getenv(variable);
  return text == nullptr ? 0 : std::atoi(text);
}

/// The names of variables that launchers set for MPI.
std::vector<std::string> launcher_variables() {
  std::vector<std::string> names;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    std::string_view const text(*variable);
    if (text.starts_with("PMIX_") || text.starts_with("PMI_") || text.starts_with("OMPI_COMM_"))
      names.emplace_back(text.substr(0, text.find('=')));
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// Whether a launcher started this process: it names a rank, and where its server is. A rank alone is left over from another.
bool started_by_launcher() {
  auto const names = launcher_variables();
  auto const serves = [](auto const& name) { return name.starts_with("PMIX_SERVER_URI"); };
  bool const by_pmix = is_set("PMIX_RANK") && std::any_of(names.begin(), names.end(), serves);
  // How PMI-1, PMI-2 and Cray's name the way to the server.
  constexpr std::array ways{"PMI_FD", "PMI_PORT", "PMI_CONTROL_PORT", "PALS_RANKID"};
  bool const by_pmi = is_set("PMI_RANK") && std::any_of(ways.begin(), ways.end(), is_set);
  return is_set("OMPI_COMM_WORLD_SIZE") || by_pmix || by_pmi;
}

/// What to do where they do harm.
std::string advice_on_variables() {
  auto const names = launcher_variables();
  return "These variables say that a launcher started it: " + join(names, ", ") +
         ". They may be left over from one that is gone, or be of a kind that this MPI does not know. Start the command with the "
         "mpirun of this MPI, or, for a single process, by env -u " +
         join(names, " -u ") + " onemask ...";
}

/// "tcp4://127.0.0.1:4711", the last part of what a launcher says of its server; nothing for another kind of address.
std::optional<sockaddr_in> address_in(std::string const& uri) {
  auto const scheme = uri.find("tcp4://"), colon = uri.rfind(':');
  if (scheme == std::string::npos || colon < scheme + 7) return std::nullopt;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(uri.c_str() + colon + 1)));
  auto const host = uri.substr(scheme + 7, colon - scheme - 7);
  return ::inet_pton(AF_INET, host.c_str(), &address.sin_addr) == 1 ? std::optional(address) : std::nullopt;
}

/// Whether the launcher's server that the environment names answers no more. MPI starts without it, and crashes as it ends.
bool server_is_gone() {
  for (auto const& name : launcher_variables()) {
    auto const address = name.starts_with("PMIX_SERVER_URI") ? address_in(std::getenv(name.c_str())) : std::nullopt;
    if (!address) continue;
    int const descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return false;
    bool const refused =
        ::connect(descriptor, reinterpret_cast<sockaddr const*>(&*address), sizeof *address) != 0 && errno == ECONNREFUSED;
    ::close(descriptor);
    return refused;
  }
  return false;
}

/// While it lives, a crash ends the process with a sentence. Where mpirun started the process, MPI shows the stack instead.
class CrashWatch {
 public:
  CrashWatch() {
    if (std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr) return;
    watches_ = true;
    sentence() = "onemask: MPI crashed. " + advice_on_variables() + "\n";
    struct sigaction action {};
    action.sa_handler = [](int) {
      auto const& text = sentence();
      [[maybe_unused]] auto const written = ::write(STDERR_FILENO, text.data(), text.size());
      ::_exit(1);
    };
    for (std::size_t i = 0; i < signals.size(); ++i) ::sigaction(signals[i], &action, &before_[i]);
  }
  ~CrashWatch() {
    for (std::size_t i = 0; watches_ && i < signals.size(); ++i) ::sigaction(signals[i], &before_[i], nullptr);
  }
  CrashWatch(CrashWatch const&) = delete;
  CrashWatch& operator=(CrashWatch const&) = delete;

 private:
  static std::string& sentence() {
    static std::string text;
    return text;
  }

  static constexpr std::array signals{SIGSEGV, SIGBUS, SIGABRT};
  std::array<struct sigaction, signals.size()> before_{};
  bool watches_ = false;
};

void start_mpi(int& argc, char**& argv) {
  int provided = 0;
  if (server_is_gone())
    throw RunError("MPI cannot start, because the server of its launcher does not answer. " + advice_on_variables());
  {
    CrashWatch const watch;
    check_mpi(MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided), "start");
  }
  if (provided < MPI_THREAD_MULTIPLE) {
    MPI_Finalize();
    throw RunError(
        "This MPI library does not offer MPI_THREAD_MULTIPLE, which the task queue needs; use one that was built with it.");
  }
}

}  // namespace

Environment::Environment() : launched_(false), exceptions_(std::uncaught_exceptions()) {}

Environment::Environment(int& argc, char**& argv) : launched_(started_by_launcher()), exceptions_(std::uncaught_exceptions()) {
  if (!launched_) return;
  launcher_ = std::make_unique<LauncherWatch>();
  start_mpi(argc, argv);
  MPI_Comm world = MPI_COMM_NULL, local = MPI_COMM_NULL;
  for (MPI_Comm const communicator : {MPI_COMM_WORLD, MPI_COMM_SELF})
    check_mpi(MPI_Comm_set_errhandler(communicator, MPI_ERRORS_RETURN), "set up the world");
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &world), "set up the world");
  world_ = Communicator(std::make_shared<MpiBackend>(world));
  check_mpi(MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &local), "find the ranks of this host");
  local_ = Communicator(std::make_shared<MpiBackend>(local));
  processes_ = std::make_unique<LocalProcesses>(local_);
}

Environment::~Environment() {
  // To finalize may wait for the dead.
  if (!launched_ || std::uncaught_exceptions() > exceptions_) return;
  local_ = Communicator();
  world_ = Communicator();
  Deadline const deadline(std::chrono::seconds(30), [this] {
    log_warning("Some ranks hang at the end of the run; they are killed.");
    abort_world(code_);
  });
  CrashWatch const watch;
  MPI_Finalize();
}

void Environment::abort_world(int code) const {
  std::fflush(nullptr);
  if (launched_) {
    processes_->end_within(std::chrono::seconds(10));  // an abort while other ranks end may never come back
    MPI_Abort(MPI_COMM_WORLD, code);
  }
  std::_Exit(code);
}

void Environment::leave_without_finalizing(int code) const {
  std::fflush(nullptr);
  std::_Exit(code);
}

int rank_by_launcher() {
  if (!started_by_launcher()) return 0;
  for (auto const* variable : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"}) {
    if (std::getenv(variable) == nullptr) continue;
    auto const rank = number_in(variable);
    return rank > 0 && !server_is_gone() ? rank : 0;
  }
  return 0;
}

void require_one_run(Communicator const& world) {
  if (world.size() > 1 || number_in("OMPI_COMM_WORLD_SIZE") == 1) return;
  constexpr std::array<std::pair<char const*, char const*>, 3> counts{
      {{"OMPI_COMM_WORLD_SIZE", "an mpirun"}, {"SLURM_STEP_NUM_TASKS", "srun"}, {"PMI_SIZE", "the mpirun of another MPI"}}};
  for (auto const& [variable, launcher] : counts) {
    auto const processes = number_in(variable);
    if (processes < 2) continue;
    throw UserError(fmt::format(
        "This is one of {0} processes that {1} started ({2}), but they do not know each other: {1} does not speak this "
        "MPI's PMIx. Start them with mpirun -n {0} of the MPI that onemask was built with, as launch/sweep.sbatch does; "
        "or give each a part of the study by --shard I/{0}.",
        processes, launcher, variable));
  }
  if (auto const tasks = number_in("SLURM_NTASKS"); tasks > 1) {
    log_warning(fmt::format(
        "The SLURM job has {0} tasks, but this is a single process. To use them all, start with mpirun -n {0}.", tasks));
  }
}

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

}  // namespace onemask
