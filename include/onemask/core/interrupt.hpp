#pragma once

#include <string>

namespace onemask {

/// From now on SIGTERM, SIGINT and SIGUSR1 do not end the process but raise the flag that `interrupted` reads. SIGPIPE does
/// nothing: a run outlives whoever reads what it says.
void watch_signals();

/// From now on `orphaned` tells whether the process that started this one is gone, as a launcher that was killed.
void watch_parent();
bool orphaned();

/// Whether this process is to stop: a signal asked it to, or its parent, which it watches, is gone. The work in hand is finished
/// or dropped, then the program ends with exit code 75.
bool interrupted();

/// What asked it to, to begin a sentence with.
std::string cause_of_interruption();

}  // namespace onemask
