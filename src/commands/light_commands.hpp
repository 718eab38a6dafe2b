#pragma once

#include <onemask/commands/command.hpp>

namespace onemask {

Command status_command();
Command report_command();
Command test_command();
Command tokenize_command();
Command world_command();
Command keys_command();

}  // namespace onemask
