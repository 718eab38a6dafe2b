#pragma once

#include <string>

namespace onemask::test {

/// The pretended NCCL (pretend_nccl.cpp) sums in memory that the processes or threads of one host share, on HostStreams. Until
/// this ends, groups that are joined behave as told, in words between commas. ONEMASK_PRETEND_NCCL tells the same to a program
/// that is started with the pretend accelerator:
///   slow=MS        every sum takes so long at least
///   in_progress=N  the answer is ncclInProgress so many times after every call, or for ever (-1)
///   fail_after=N   so many sums succeed, the next fails
///   lose=RANK      the rank takes part in no sum, and nobody is told
///   oom            there is no memory for the group
///   no_interface   no network is found, so that no group can be named
///   linger=MS      sums that are aborted write on to their tensors for so long
///   version=CODE   the library says that this is its version
///   rank=RANK      all this but lose and version is so on one rank only
/// RANK may be "last".
class PretendNccl {
 public:
  explicit PretendNccl(std::string const& orders);
  ~PretendNccl();
  PretendNccl(PretendNccl const&) = delete;
  PretendNccl& operator=(PretendNccl const&) = delete;
};

}  // namespace onemask::test
