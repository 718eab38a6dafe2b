#include "cli/compute_commands.hpp"
#include <onemask/cli/all_commands.hpp>
#include <onemask/commands/command_line.hpp>

namespace onemask {

std::vector<Command> all_commands() {
  auto commands = light_commands();
  for (auto const* name : {"sweep", "edit", "mask", "eval", "gather"}) commands.push_back(study_command(name));
  for (auto const make : {overlap_command, stats_command, plan_command, predict_command, known_facts_command, export_command,
                          pretrain_command, doctor_command, tune_command}) {
    commands.push_back(make());
  }
  return commands;
}

}  // namespace onemask
