#pragma once

#include <onemask/comm/communicator.hpp>

#include <functional>

namespace onemask::test {

/// Runs `body` on `size` ranks that are threads of this process, without MPI: communicators, mailboxes and their groups work as
/// between processes. Returns when all have ended, and throws what the first rank that failed threw.
///
/// A rank whose body throws is lost to the others, as a killed process is: `Mailbox::lost` names it, and who waits for it gets
/// LostRank. So does who waits for a rank that has come to its end, instead of waiting for ever.
void run_ranks(int size, std::function<void(Communicator const& world)> const& body);

/// What a body throws to be lost; nothing that `run_ranks` throws again.
struct Death {};

}  // namespace onemask::test
