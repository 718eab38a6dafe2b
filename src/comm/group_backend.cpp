#include "group_backend.hpp"

#include "group_sums.hpp"
#include "mailbox_backend.hpp"
#include <onemask/core/invariant.hpp>

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

std::vector<std::string> unpack(std::string const& bytes) {
  std::vector<std::string> parts;
  for (std::size_t place = 0; place < bytes.size();) {
    std::uint64_t size = 0;
    invariant(bytes.size() - place >= sizeof size, "the parts of ranks end in the middle of a size");
    std::memcpy(&size, bytes.data() + place, sizeof size);
    invariant(bytes.size() - place - sizeof size >= size, "a part of ", size, " bytes is longer than all that came");
    parts.push_back(bytes.substr(place + sizeof size, size));
    place += sizeof size + size;
  }
  return parts;
}

std::string pack(std::vector<std::string> const& parts) {
  std::string bytes;
  for (auto const& part : parts) {
    std::uint64_t const size = part.size();
    bytes.append(reinterpret_cast<char const*>(&size), sizeof size).append(part);
  }
  return bytes;
}

}  // namespace

GroupBackend::GroupBackend(std::vector<int> ranks, int own, std::function<std::unique_ptr<Transfers>()> start,
                           std::function<void()> meanwhile)
    : ranks_(std::move(ranks)), start_(std::move(start)), meanwhile_(std::move(meanwhile)) {
  auto const found = std::find(ranks_.begin(), ranks_.end(), own);
  if (found == ranks_.end()) throw std::invalid_argument(fmt::format("rank {} is not in its own group", own));
  rank_ = static_cast<int>(found - ranks_.begin());
}

void GroupBackend::send(int member, std::string const& bytes) const {
  auto const content = std::make_shared<std::string const>(bytes);
  auto const size = std::make_shared<std::uint64_t const>(bytes.size());
  auto const transfers = start_();
  auto const to = ranks_[static_cast<std::size_t>(member)];
  transfers->send(to, size.get(), sizeof *size, size);
  transfers->send(to, content->data(), content->size(), content);
  transfers->wait("send to a rank", meanwhile_);
}

std::string GroupBackend::receive(int member) const {
  auto const from = ranks_[static_cast<std::size_t>(member)];
  auto const size = std::make_shared<std::uint64_t>();
  auto const head = start_(), body = start_();
  head->receive(from, size.get(), sizeof *size, size);
  head->wait("receive from a rank", meanwhile_);
  auto const content = std::make_shared<std::string>(*size, '\0');
  body->receive(from, content->data(), content->size(), content);
  body->wait("receive from a rank", meanwhile_);
  return std::move(*content);
}

void GroupBackend::barrier() const {
  all_reduce_max(0);
}

std::string GroupBackend::broadcast(std::string bytes, int root) const {
  if (rank_ != root) return receive(root);
  for (int member = 0; member < size(); ++member) {
    if (member != root) send(member, bytes);
  }
  return bytes;
}

std::vector<std::string> GroupBackend::gather(std::string const& bytes, int root) const {
  if (rank_ != root) {
    send(root, bytes);
    return {};
  }
  std::vector<std::string> all;
  for (int member = 0; member < size(); ++member) all.push_back(member == root ? bytes : receive(member));
  return all;
}

std::vector<std::string> GroupBackend::all_gather(std::string const& bytes) const {
  auto const all = gather(bytes, 0);
  return unpack(broadcast(pack(all), 0));
}

template <class Combine>
std::int64_t GroupBackend::all_reduce(std::int64_t value, Combine const& combine) const {
  auto const all = gather({reinterpret_cast<char const*>(&value), sizeof value}, 0);
  for (std::size_t member = 1; member < all.size(); ++member) {
    std::int64_t other = 0;
    invariant(all[member].size() == sizeof other, "rank ", member, " gave ", all[member].size(), " bytes as a number");
    std::memcpy(&other, all[member].data(), sizeof other);
    value = combine(value, other);
  }
  auto const result = broadcast({reinterpret_cast<char const*>(&value), sizeof value}, 0);
  invariant(result.size() == sizeof value, "a combined number came back as ", result.size(), " bytes");
  std::memcpy(&value, result.data(), sizeof value);
  return value;
}

std::int64_t GroupBackend::all_reduce_sum(std::int64_t value) const {
  return all_reduce(value, [](auto a, auto b) { return a + b; });
}

std::int64_t GroupBackend::all_reduce_max(std::int64_t value) const {
  return all_reduce(value, [](auto a, auto b) { return std::max(a, b); });
}

Communicator GroupBackend::split(int, int) const {
  throw std::logic_error("a group of a mailbox cannot be split");
}
Communicator GroupBackend::duplicate() const {
  throw std::logic_error("a group of a mailbox cannot be duplicated");
}

std::unique_ptr<Mailbox::Backend> GroupBackend::mailbox() const {
  throw std::logic_error("a group of a mailbox has no mailbox of its own");
}
std::unique_ptr<IntegerSums> GroupBackend::sums() const {
  return std::make_unique<GroupSums>(shared_from_this());
}

void GroupBackend::sum(std::int64_t* values, std::int64_t count, std::shared_ptr<void const> const& owner) const {
  auto const members = static_cast<std::int64_t>(size());
  auto const next = ranks_[static_cast<std::size_t>((rank_ + 1) % size())];
  auto const last = ranks_[static_cast<std::size_t>((rank_ + size() - 1) % size())];
  auto const share = [&](std::int64_t index) {
    auto const i = (index % members + members) % members;
    auto const first = i * count / members;
    return std::pair(first, (i + 1) * count / members - first);
  };
  auto const bytes = [](std::int64_t numbers) { return static_cast<std::size_t>(numbers) * sizeof(std::int64_t); };
  auto const received = std::make_shared<std::vector<std::int64_t>>(static_cast<std::size_t>(count / members + 1));
  std::int64_t added = share(rank_).second, known = share(rank_ + 1).second;
  for (std::int64_t step = 0; step < members - 1; ++step) {
    auto const [out, out_count] = share(rank_ - step);
    auto const [in, in_count] = share(rank_ - step - 1);
    auto const transfers = start_();
    transfers->receive(last, received->data(), bytes(in_count), received);
    transfers->send(next, values + out, bytes(out_count), owner);
    transfers->wait("sum gradients", meanwhile_);
    for (std::int64_t i = 0; i < in_count; ++i) values[in + i] += (*received)[static_cast<std::size_t>(i)];
    added += in_count;
  }
  for (std::int64_t step = 0; step < members - 1; ++step) {
    auto const [out, out_count] = share(rank_ + 1 - step);
    auto const [in, in_count] = share(rank_ - step);
    auto const transfers = start_();
    transfers->receive(last, values + in, bytes(in_count), owner);
    transfers->send(next, values + out, bytes(out_count), owner);
    transfers->wait("sum gradients", meanwhile_);
    known += in_count;
  }
  invariant(added == count, added, " of ", count, " numbers were added up over the ranks of a group");
  invariant(known == count, "the sums of ", known, " of ", count, " numbers came back");
}

}  // namespace onemask
