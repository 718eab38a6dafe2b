#include "backend.hpp"
#include "mailbox_backend.hpp"
#include <onemask/core/invariant.hpp>

#include <set>
#include <utility>

namespace onemask {
namespace {

constexpr std::size_t longest_message = std::size_t{1} << 22;  // of messages; longer ones would arrive as several

}  // namespace

Mailbox::Mailbox(Communicator const& world) : backend_(world.backend().mailbox()) {}
Mailbox::~Mailbox() = default;

int Mailbox::rank() const {
  return backend_->rank();
}
int Mailbox::size() const {
  return backend_->size();
}
void Mailbox::send(int to, Recipient recipient, std::string bytes) {
  invariant(to >= 0 && to < size(), "a message is addressed to rank ", to, " of ", size());
  invariant(bytes.size() <= longest_message, "a message between ranks has ", bytes.size(), " bytes; ", longest_message,
            " are allowed");
  backend_->send(to, recipient, std::move(bytes));
}
std::optional<Message> Mailbox::receive(Recipient recipient) {
  return backend_->receive(recipient);
}
std::vector<int> Mailbox::lost() {
  return backend_->lost();
}
Communicator Mailbox::group(std::vector<int> const& ranks, int number, std::function<void()> meanwhile) const {
  invariant(!ranks.empty() && number >= 0, "group ", number, " has ", ranks.size(), " ranks");
  invariant(std::set(ranks.begin(), ranks.end()).size() == ranks.size(), "group ", number, " has a rank twice");
  if (ranks.size() == 1) return {};
  return backend_->group(ranks, number, std::move(meanwhile));
}

}  // namespace onemask
