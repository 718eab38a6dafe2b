#pragma once

#include <onemask/comm/mailbox.hpp>

#include <array>
#include <cstddef>
#include <deque>
#include <mutex>
#include <utility>

namespace onemask {

/// What a mailbox does, for one kind of group; here that of a single rank. Messages of a rank to itself stay in the process.
class Mailbox::Backend {
 public:
  virtual ~Backend() = default;

  virtual int rank() const { return 0; }
  virtual int size() const { return 1; }
  virtual void send(int to, Recipient recipient, std::string bytes) {
    std::lock_guard const lock(mutex_);
    own_[index_of(recipient)].push_back({to, std::move(bytes)});
  }
  virtual std::optional<Message> receive(Recipient recipient) {
    std::lock_guard const lock(mutex_);
    auto& messages = own_[index_of(recipient)];
    if (messages.empty()) return std::nullopt;
    auto message = std::move(messages.front());
    messages.pop_front();
    return message;
  }
  virtual std::vector<int> lost() { return {}; }
  virtual Communicator group(std::vector<int> const&, int, std::function<void()>) const { return {}; }

 protected:
  static std::size_t index_of(Recipient recipient) { return recipient == Recipient::coordinator ? 0 : 1; }

 private:
  std::mutex mutex_;
  std::array<std::deque<Message>, 2> own_;
};

}  // namespace onemask
