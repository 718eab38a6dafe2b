#include <onemask/commands/command_line.hpp>

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  auto const code = onemask::run_with(onemask::light_commands(), argc, argv);
  // As onemask-compute ends.
  std::fflush(nullptr);
  std::_Exit(code);
}
