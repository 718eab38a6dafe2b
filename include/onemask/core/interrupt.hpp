#pragma once

namespace onemask {

/// From now on SIGTERM, SIGINT and SIGUSR1 do not end the process but raise the flag that `interrupted` reads.
void watch_signals();

/// Whether a signal asked this process to stop. The work in hand is finished or dropped, then the program ends with exit code 75.
bool interrupted();

}  // namespace onemask
