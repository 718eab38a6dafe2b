#include "flight.hpp"
#include "group_backend.hpp"
#include "mpi_backend.hpp"
#include "mpi_call.hpp"
#include <onemask/comm/mailbox.hpp>
#include <onemask/core/error.hpp>

#include <algorithm>
#include <array>
#include <deque>
#include <list>
#include <mutex>
#include <utility>

#include <mpi.h>
#if __has_include(<mpi-ext.h>)
#include <mpi-ext.h>
#endif

namespace onemask {
namespace {

std::size_t index_of(Mailbox::Box box) {
  return box == Mailbox::Box::coordinator ? 0 : 1;
}

}  // namespace

/// Messages of a rank to itself stay in the process.
class Mailbox::Backend {
 public:
  virtual ~Backend() = default;

  virtual int rank() const { return 0; }
  virtual int size() const { return 1; }
  virtual void send(int to, Box box, std::string bytes) { put({to, std::move(bytes)}, box); }
  virtual std::optional<Message> receive(Box box) {
    std::lock_guard const lock(mutex_);
    auto& messages = own_[index_of(box)];
    if (messages.empty()) return std::nullopt;
    auto message = std::move(messages.front());
    messages.pop_front();
    return message;
  }
  virtual std::vector<int> lost() { return {}; }
  virtual Communicator group(std::vector<int> const&, int, std::function<void()>) const { return {}; }

 protected:
  void put(Message message, Box box) {
    std::lock_guard const lock(mutex_);
    own_[index_of(box)].push_back(std::move(message));
  }

 private:
  std::mutex mutex_;
  std::array<std::deque<Message>, 2> own_;
};

namespace {

class MpiMailbox : public Mailbox::Backend {
 public:
  explicit MpiMailbox(Communicator const& world)
      : messages_(world.duplicate()), groups_(world.duplicate()), handle_(mpi_handle(messages_)) {}

  int rank() const override { return messages_.rank(); }
  int size() const override { return messages_.size(); }

  void send(int to, Mailbox::Box box, std::string bytes) override {
    if (to == rank()) return put({to, std::move(bytes)}, box);
    auto const content = std::make_shared<std::string const>(std::move(bytes));
    std::lock_guard const lock(sending_);
    std::erase_if(sent_, [](Flight& flight) { return flight.done(); });
    try {
      auto& flight = sent_.emplace_back(handle_, tag_of(box));
      flight.send(to, content->data(), content->size(), content);
    } catch (RunError const&) {
      sent_.pop_back();
      if (!is_lost(to)) throw;
    }
  }

  std::optional<Message> receive(Mailbox::Box box) override {
    if (auto own = Backend::receive(box)) return own;
    int present = 0;
    MPI_Message found = MPI_MESSAGE_NULL;
    MPI_Status status;
    // The first look may only let MPI take in what has come, for the second to find.
    int code = MPI_SUCCESS;
    for (int look = 0; look < 2 && present == 0 && code == MPI_SUCCESS; ++look)
      code = MPI_Improbe(MPI_ANY_SOURCE, tag_of(box), handle_, &present, &found, &status);
    if (is_loss(code)) {
      static_cast<void>(lost());  // afterwards messages of the others come again
      return std::nullopt;
    }
    check_mpi(code, "look for a message");
    if (present == 0) return std::nullopt;
    int size = 0;
    check_mpi(MPI_Get_count(&status, MPI_BYTE, &size), "receive a message");
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
    return Communicator(std::make_shared<GroupBackend>(groups_, ranks, number, std::move(meanwhile)));
  }

 private:
  static int tag_of(Mailbox::Box box) {
    return static_cast<int>(index_of(box)) + 1;
  }
  bool is_lost(int rank) {
    auto const ranks = lost();
    return std::find(ranks.begin(), ranks.end(), rank) != ranks.end();
  }

  Communicator messages_, groups_;
  MPI_Comm handle_;
  std::mutex sending_, losing_;
  std::list<Flight> sent_;  ///< not yet taken
};

std::unique_ptr<Mailbox::Backend> make_backend(Communicator const& world) {
  if (world.size() == 1) return std::make_unique<Mailbox::Backend>();
  return std::make_unique<MpiMailbox>(world);
}

}  // namespace

Mailbox::Mailbox(Communicator const& world) : backend_(make_backend(world)) {}
Mailbox::~Mailbox() = default;

int Mailbox::rank() const {
  return backend_->rank();
}
int Mailbox::size() const {
  return backend_->size();
}
void Mailbox::send(int to, Box box, std::string bytes) {
  backend_->send(to, box, std::move(bytes));
}
std::optional<Message> Mailbox::receive(Box box) {
  return backend_->receive(box);
}
std::vector<int> Mailbox::lost() {
  return backend_->lost();
}
Communicator Mailbox::group(std::vector<int> const& ranks, int number, std::function<void()> meanwhile) const {
  if (ranks.size() == 1) return {};
  return backend_->group(ranks, number, std::move(meanwhile));
}

}  // namespace onemask
