#pragma once

#include "mpi_backend.hpp"

#include <memory>

namespace onemask {

/// A mailbox whose messages go through MPI. Collective.
std::unique_ptr<Mailbox::Backend> make_mpi_mailbox(MpiBackend const& world);

}  // namespace onemask
