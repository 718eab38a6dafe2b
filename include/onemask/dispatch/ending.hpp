#pragma once

#include <onemask/comm/mailbox.hpp>

#include <chrono>
#include <functional>
#include <string>

namespace onemask {

/// How a rank's work ended.
struct Ending {
  int code = 0;               ///< the process's exit code
  std::string sentence = {};  ///< what went wrong; empty when nothing was thrown

  bool operator==(Ending const&) const = default;
};

/// Runs the work; what it throws becomes a code (2 UserError, 75 Interrupted and LostRank, 1 everything else) and a sentence.
/// LibTorch's long messages are cut to their first line.
Ending ending_of(std::function<int()> const& work);

/// How all ranks ended.
struct Meeting {
  Ending ending;
  bool all_came = true;

  bool operator==(Meeting const&) const = default;
};

/// How all ranks together ended: their common success; this rank's own failure; or else that of the first rank that failed, as
/// "rank 3: …". All ranks call this, with a mailbox that carries no other messages. A rank that failed calls `give_up` when the
/// others have not come within `patience`: they wait for it elsewhere, or work on in vain. So does rank 0, whose results are
/// complete when it comes here: then some hang, and those that came are told so. Throws LostRank when a rank has died.
Meeting end_together(Mailbox& ranks, Ending const& own, std::chrono::milliseconds patience, std::function<void()> const& give_up);

}  // namespace onemask
