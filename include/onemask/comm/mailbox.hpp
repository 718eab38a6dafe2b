#pragma once

#include <onemask/comm/communicator.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace onemask {

struct Message {
  int from = 0;
  std::string bytes;
};

/// Messages between single ranks, and groups of ranks formed as need be. Nothing here waits for a rank that is lost, so that the
/// others can go on without it.
///
/// Every rank has two boxes, one for its coordinator and one for its worker, as on rank 0 these are two threads. Sending is open
/// to all threads; each recipient is emptied by one.
class Mailbox {
 public:
  enum class Recipient { coordinator, worker };

  /// Collective over `world`, construction alone.
  explicit Mailbox(Communicator const& world);
  ~Mailbox();
  Mailbox(Mailbox const&) = delete;
  Mailbox& operator=(Mailbox const&) = delete;

  int rank() const;
  int size() const;

  /// Up to 4 MiB. Does not wait for the receiver; to a rank that is lost: to nowhere.
  void send(int to, Recipient recipient, std::string bytes);
  /// The next message in a recipient of this rank, if there is one.
  std::optional<Message> receive(Recipient recipient);

  /// Ranks that have died, as far as is known here: grows only. Always empty where MPI ends the whole run with any rank (no
  /// ULFM, or not switched on).
  std::vector<int> lost();

  /// These ranks as a group of their own, without any call to the others. All its members call this with the same `ranks`, this
  /// rank among them, and the same `number`, new for every group. Every wait in the group calls `meanwhile` now and then; what
  /// that throws ends the wait. A lost member: LostRank in those that wait for it.
  ///
  /// Splitting and duplicating such a group is not offered.
  Communicator group(std::vector<int> const& ranks, int number, std::function<void()> meanwhile) const;

  class Backend;

 private:
  std::unique_ptr<Backend> backend_;
};

}  // namespace onemask
