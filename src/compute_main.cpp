#include <onemask/cli/all_commands.hpp>
#include <onemask/commands/command_line.hpp>

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  auto const code = onemask::run_with(onemask::all_commands(), argc, argv);
  // Not by return: to take LibTorch down is of no use to anybody, takes longer than to end MPI, and a rank may hang in it.
  std::fflush(nullptr);
  std::_Exit(code);
}
