#include "mpi_mailbox.hpp"

#include "group_backend.hpp"
#include "mailbox_backend.hpp"
#include "mpi_call.hpp"
#include "mpi_transfers.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>

#include <algorithm>
#include <list>
#include <mutex>
#include <utility>

#include <mpi.h>
#if __has_include(<mpi-ext.h>)
#include <mpi-ext.h>
#endif

namespace onemask {
namespace {

class MpiMailbox : public Mailbox::Backend {
 public:
  explicit MpiMailbox(MpiBackend const& world) : messages_(world.copy()), groups_(world.copy()), handle_(messages_->handle()) {}

  int rank() const override { return messages_->rank(); }
  int size() const override { return messages_->size(); }

  void send(int to, Mailbox::Recipient recipient, std::string bytes) override {
    if (to == rank()) return Backend::send(to, recipient, std::move(bytes));
    auto const content = std::make_shared<std::string const>(std::move(bytes));
    std::lock_guard const lock(sending_);
    std::erase_if(sent_, [](MpiTransfers& transfers) { return transfers.done(); });
    try {
      auto& transfers = sent_.emplace_back(handle_, tag_of(recipient));
      transfers.send(to, content->data(), content->size(), content);
    } catch (RunError const&) {
      sent_.pop_back();
      if (!is_lost(to)) throw;
    }
  }

  std::optional<Message> receive(Mailbox::Recipient recipient) override {
    if (auto own = Backend::receive(recipient)) return own;
    int present = 0;
    MPI_Message found = MPI_MESSAGE_NULL;
    MPI_Status status;
    // The first look may only let MPI take in what has come, for the second to find.
    int code = MPI_SUCCESS;
    for (int look = 0; look < 2 && present == 0 && code == MPI_SUCCESS; ++look)
      code = MPI_Improbe(MPI_ANY_SOURCE, tag_of(recipient), handle_, &present, &found, &status);
    if (is_loss(code)) {
      static_cast<void>(lost());  // afterwards messages of the others come again
      return std::nullopt;
    }
    check_mpi(code, "look for a message");
    if (present == 0) return std::nullopt;
    int size = 0;
    check_mpi(MPI_Get_count(&status, MPI_BYTE, &size), "receive a message");
    invariant(size >= 0, "a message of rank ", status.MPI_SOURCE, " has ", size, " bytes");
    Message message{status.MPI_SOURCE, std::string(static_cast<std::size_t>(size), '\0')};
    int const received = MPI_Mrecv(message.bytes.data(), size, MPI_BYTE, &found, MPI_STATUS_IGNORE);
    if (is_loss(received)) return std::nullopt;
    check_mpi(received, "receive a message");
    return message;
  }

  std::vector<int> lost() override {
#ifdef MPIX_ERR_PROC_FAILED
    std::lock_guard const lock(losing_);
    MPI_Group failed = MPI_GROUP_NULL, all = MPI_GROUP_NULL;
    check_mpi(MPIX_Comm_failure_ack(handle_), "ask which ranks are lost");
    check_mpi(MPIX_Comm_failure_get_acked(handle_, &failed), "ask which ranks are lost");
    int count = 0;
    MPI_Group_size(failed, &count);
    std::vector<int> ranks(static_cast<std::size_t>(count)), places(ranks.size());
    for (int i = 0; i < count; ++i) ranks[static_cast<std::size_t>(i)] = i;
    MPI_Comm_group(handle_, &all);
    MPI_Group_translate_ranks(failed, count, ranks.data(), all, places.data());
    MPI_Group_free(&all);
    if (count > 0) MPI_Group_free(&failed);
    std::sort(places.begin(), places.end());
    return places;
#else
    return {};
#endif
  }

  Communicator group(std::vector<int> const& ranks, int number, std::function<void()> meanwhile) const override {
    auto start = [world = groups_, tag = tag_of(number)] { return std::make_unique<MpiTransfers>(world->handle(), tag); };
    return Communicator(std::make_shared<GroupBackend>(ranks, rank(), std::move(start), std::move(meanwhile)));
  }

 private:
  static int tag_of(Mailbox::Recipient recipient) {
    return static_cast<int>(index_of(recipient)) + 1;
  }
  /// A tag that no group of the last millions has had; MPI promises at least 32767 of them.
  static int tag_of(int number) {
    static int const bound = [] {
      void* value = nullptr;
      int known = 0;
      MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &value, &known);
      return known != 0 ? *static_cast<int*>(value) : 32767;
    }();
    return number % bound;
  }
  bool is_lost(int rank) {
    auto const ranks = lost();
    return std::find(ranks.begin(), ranks.end(), rank) != ranks.end();
  }

  std::shared_ptr<MpiBackend const> messages_, groups_;
  MPI_Comm handle_;
  std::mutex sending_, losing_;
  std::list<MpiTransfers> sent_;  ///< not yet taken
};

}  // namespace

std::unique_ptr<Mailbox::Backend> make_mpi_mailbox(MpiBackend const& world) {
  return std::make_unique<MpiMailbox>(world);
}

}  // namespace onemask
