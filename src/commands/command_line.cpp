#include "commands/known_commands.hpp"
#include <onemask/comm/environment.hpp>
#include <onemask/comm/machine.hpp>
#include <onemask/commands/command_line.hpp>
#include <onemask/core/build_info.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/interrupt.hpp>
#include <onemask/core/log.hpp>
#include <onemask/core/text.hpp>
#include <onemask/dispatch/ending.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace onemask {
namespace {

constexpr std::chrono::seconds patience{10};  // for ranks that have not noticed another's failure

void print(std::string const& text) {
  std::cout << text << std::flush;
  if (!std::cout) throw RunError("The results cannot be written to stdout; is the disk full, or the pipe closed?");
}

/// Mistakes of the user are not worth a line of the log; failures are.
void say(Ending const& ending) {
  if (ending.code == 2) {
    std::cerr << "onemask: " << ending.sentence << std::endl;
  } else {
    log_error(ending.sentence);
  }
}

std::string help() {
  std::string text =
      "usage: onemask COMMAND ...\n\n"
      "Edits many facts in a language model (ROME, MEMIT and others), trains binary masks that undo the edits, and scores the "
      "models.\n\n"
      "commands:\n";
  for (auto const& [name, summary] : known_commands()) text += "  " + name + std::string(10 - name.size(), ' ') + summary + "\n";
  return text +
         "\noptions:\n"
         "  --help         this text; 'onemask COMMAND --help' describes a command\n"
         "  --version      version of the program\n"
         "  --build-info   how this program was built\n\n"
         "exit codes:\n"
         "  0 done, 1 failed, 2 usage or bad input, 3 partial (some tasks failed), 75 interrupted (run the same command "
         "again)\n\n"
         "examples:\n"
         "  onemask sweep study.yaml --out results/study\n"
         "  mpirun -n 8 onemask sweep study.yaml --out results/study --sweep mask.seed=0..7\n"
         "  onemask report results/study --by-relation\n";
}

std::string names_of_all() {
  std::string names;
  auto const& all = known_commands();
  for (auto const& command : all) {
    names += (&command == &all.front() ? "" : &command == &all.back() ? " or " : ", ") + command.name;
  }
  return names;
}

std::string version_line() {
  auto const info = build_info();
  return "onemask " + version() + " (revision " + info.at("revision") + ", " + info.at("build_type") + ", LibTorch " +
         info.at("libtorch") + ")\n";
}

std::string build_lines() {
  std::string text;
  for (auto const& [key, value] : build_info()) text += key + ": " + value + "\n";
  return text;
}

/// Does not return: this process becomes the program that is linked to LibTorch.
[[noreturn]] void compute(char** argv) {
  auto const program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "onemask-compute";
  ::execv(program.c_str(), argv);
  throw RunError(program.string() + " cannot be started: " + std::system_category().message(errno) +
                 ". It belongs beside onemask; build both again.");
}

/// For scripts: mpirun may end with 0 whatever became of its ranks, so rank 0 writes its exit code to the file that they name.
void leave_code(int code) {
  if (auto const* file = std::getenv("ONEMASK_EXIT_CODE_FILE")) std::ofstream(file) << code << '\n';
}

/// Rank 0 is at work on the results still, and ends the world then. Where a rank that leaves takes the others along, it waits.
void wait_for_the_end() {
  if (!message_passing().survives_failure) std::this_thread::sleep_for(std::chrono::minutes(10));
}

/// How the command ends; `result` is what it gave.
Ending perform(Command const& command, std::vector<std::string> const& words, Environment const& environment,
               CommandResult& result) {
  auto ending = ending_of([&] {
    result = command.run(parse(command, words), environment);
    if (environment.world().rank() == 0) print(result.output);
    return result.code;
  });
  if (ending.sentence.empty()) ending.sentence = result.error;
  return ending;
}

/// Without MPI, which may be in no state to start. Of several processes of a launcher the first runs the command.
int run_alone(Command const& command, std::vector<std::string> const& words) {
  if (auto const rank = rank_by_launcher(); rank > 0) {
    auto const names_file = [](auto const& word) {
      return word.starts_with("--html") || word.starts_with("--figures") || word.starts_with("--plot");
    };
    if (std::any_of(words.begin(), words.end(), names_file))
      std::cerr << "onemask: rank " << rank << " of a launcher writes nothing; rank 0 does." << std::endl;
    return 0;
  }
  Environment const environment;
  configure_log(0, 1);
  CommandResult result;
  auto const ending = perform(command, words, environment, result);
  if (!ending.sentence.empty()) say(ending);
  leave_code(ending.code);
  return ending.code;
}

int run_on_ranks(Command const& command, std::vector<std::string> const& words) {
  int no_arguments = 0;
  char** none = nullptr;
  watch_signals();
  Environment environment(no_arguments, none);
  auto const world = environment.world();
  configure_log(world.rank(), world.size());
  Mailbox ranks(world);
  CommandResult result;
  auto const own = perform(command, words, environment, result);
  auto const give_up = [&](Ending const& ending) {
    leave_code(ending.code);
    if (!ending.sentence.empty()) {
      say(ending);
    } else {
      log_warning("Some ranks hang; they are killed.");
    }
    environment.abort_world(ending.code);
  };
  // Where ranks are missing, a rank ends as it is; ranks that are stuck end with the world.
  using Ranks = CommandResult::Ranks;
  if (result.ranks == Ranks::some_stuck) {
    if (world.rank() == 0) give_up(own);
    wait_for_the_end();
  }
  if (result.ranks != Ranks::all) {
    if (world.rank() == 0 && !own.sentence.empty()) say(own);
    if (world.rank() == 0) leave_code(own.code);
    environment.leave_without_finalizing(own.code);
  }
  Meeting met;
  auto const talk = ending_of([&] {
    met = end_together(ranks, own, patience, [&] { give_up(own); });
    return 0;
  });
  if (talk.code != 0) give_up(own.code != 0 ? own : talk);
  if (!met.all_came) {
    std::this_thread::sleep_for(std::chrono::seconds(2));  // rank 0 ends the world, with its code
    environment.leave_without_finalizing(met.ending.code);
  }
  if (world.rank() == 0 && !met.ending.sentence.empty()) say(met.ending);
  if (world.rank() == 0) leave_code(met.ending.code);
  environment.will_exit(met.ending.code);
  return met.ending.code;
}

int run(std::vector<Command> const& commands, std::vector<std::string> const& words, char** argv) {
  if (words.empty()) throw UserError("Name a command: " + names_of_all() + ". See 'onemask --help'.");
  if (words[0] == "--help" || words[0] == "-h" || words[0] == "help") return print(help()), 0;
  if (words[0] == "--version") return print(version_line()), 0;
  if (words[0] == "--build-info") return print(build_lines()), 0;
  auto const& name = known_command(words[0]).name;
  auto const found = std::find_if(commands.begin(), commands.end(), [&](auto const& command) { return command.name == name; });
  if (found == commands.end()) compute(argv);
  std::vector<std::string> const rest(words.begin() + 1, words.end());
  auto const options_end = std::find(rest.begin(), rest.end(), "--");
  if (std::find(rest.begin(), options_end, "--help") != options_end) return print(help(*found)), 0;
  return found->parallel ? run_on_ranks(*found, rest) : run_alone(*found, rest);
}

}  // namespace

int run_with(std::vector<Command> const& commands, int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file beyond the limit is an error of its write
  auto const ending = ending_of([&] { return run(commands, {argv + std::min(argc, 1), argv + argc}, argv); });
  if (!ending.sentence.empty()) say(ending);
  return ending.code;
}

}  // namespace onemask
