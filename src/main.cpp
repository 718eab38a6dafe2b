#include <onemask/cli/run.hpp>

int main(int argc, char** argv) {
  return onemask::run_command_line(argc, argv);
}
