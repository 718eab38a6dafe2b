#pragma once

#include <onemask/comm/communicator.hpp>

namespace onemask::test {

/// The ranks that run this test program together: those mpirun started, or this process alone.
Communicator& world();

}  // namespace onemask::test
