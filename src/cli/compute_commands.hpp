#pragma once

#include <onemask/commands/command.hpp>

#include <string>

namespace onemask {

Command study_command(std::string const& name);  ///< sweep, edit, mask, eval or gather
Command overlap_command();
Command stats_command();
Command plan_command();
Command predict_command();
Command known_facts_command();
Command export_command();
Command pretrain_command();
Command doctor_command();
Command tune_command();

}  // namespace onemask
