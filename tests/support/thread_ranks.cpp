#include "support/thread_ranks.hpp"

#include "comm/group_backend.hpp"
#include "comm/mailbox_backend.hpp"
#include <onemask/core/backoff.hpp>
#include <onemask/core/error.hpp>

#include <algorithm>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace onemask::test {
namespace {

/// Who is told what. A context is a communicator or a mailbox; what its channels mean it decides itself. Ranks are those of the
/// context; from any of them: -1.
struct Address {
  int context, channel, from, to;
  auto operator<=>(Address const&) const = default;
};

/// What the threads share: messages on their way, and which ranks are gone.
class ThreadWorld {
 public:
  void send(Address const& address, Message message) {
    std::lock_guard const lock(mutex_);
    messages_[address].push_back(std::move(message));
  }
  std::optional<Message> receive(Address const& address) {
    std::lock_guard const lock(mutex_);
    auto const found = messages_.find(address);
    if (found == messages_.end()) return std::nullopt;
    auto message = std::move(found->second.front());
    found->second.pop_front();
    if (found->second.empty()) messages_.erase(found);
    return message;
  }

  /// The first of so many new ones.
  int new_contexts(int count) {
    std::lock_guard const lock(mutex_);
    return std::exchange(contexts_, contexts_ + count);
  }

  enum class State { there, ended, dead };
  State state(int thread) const {
    std::lock_guard const lock(mutex_);
    auto const found = gone_.find(thread);
    return found == gone_.end() ? State::there : found->second;
  }
  void leave(int thread, State state) {
    std::lock_guard const lock(mutex_);
    gone_[thread] = state;
  }

 private:
  mutable std::mutex mutex_;
  std::map<Address, std::deque<Message>> messages_;
  std::map<int, State> gone_;
  int contexts_ = 0;
};

/// A rank's place in a group of threads.
struct Place {
  std::shared_ptr<ThreadWorld> world;
  int context, rank;
  std::vector<int> threads;  ///< of the group's ranks

  ThreadWorld::State state(int other) const { return world->state(threads.at(static_cast<std::size_t>(other))); }
};

class ThreadTransfers : public Transfers {
 public:
  ThreadTransfers(Place place, int channel) : place_(std::move(place)), channel_(channel) {}

  void send(int to, void const* bytes, std::size_t size, std::shared_ptr<void const>) override {
    place_.world->send({place_.context, channel_, place_.rank, to},
                       {place_.rank, std::string(static_cast<char const*>(bytes), size)});
  }
  void receive(int from, void* bytes, std::size_t size, std::shared_ptr<void const>) override {
    expected_.push_back({from, static_cast<char*>(bytes), size});
  }
  void wait(std::string const& what, std::function<void()> const& meanwhile) override {
    for (auto const& [from, bytes, size] : expected_) {
      auto const message = next(from, what, meanwhile);
      if (message.bytes.size() != size) throw std::length_error("a message between threads has another length than was expected");
      std::copy(message.bytes.begin(), message.bytes.end(), bytes);
    }
    expected_.clear();
  }

 private:
  struct Expected {
    int from;
    char* bytes;
    std::size_t size;
  };

  Message next(int from, std::string const& what, std::function<void()> const& meanwhile) {
    Address const address{place_.context, channel_, from, place_.rank};
    Backoff const backoff;
    for (;;) {
      auto const state = place_.state(from);  // asked first, for it may have sent before it went
      if (auto message = place_.world->receive(address)) return *std::move(message);
      if (state != ThreadWorld::State::there)
        throw LostRank("Failed to " + what + ": rank " + std::to_string(from) + " is " +
                       (state == ThreadWorld::State::dead ? "lost." : "at its end."));
      if (backoff.wait()) meanwhile();
    }
  }

  Place place_;
  int channel_;
  std::vector<Expected> expected_;
};

std::vector<int> all_ranks(Place const& place) {
  std::vector<int> ranks(place.threads.size());
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

/// Some ranks of `place` as a group of their own.
std::shared_ptr<GroupBackend const> make_group(Place const& place, int number, std::vector<int> const& ranks,
                                               std::function<void()> meanwhile) {
  return std::make_shared<GroupBackend>(
      ranks, place.rank, [place, number] { return std::make_unique<ThreadTransfers>(place, number); }, std::move(meanwhile));
}

/// Boxes are channels of one context, groups channels of another.
class ThreadMailbox : public Mailbox::Backend {
 public:
  ThreadMailbox(Place boxes, int groups) : boxes_(std::move(boxes)), groups_(boxes_) { groups_.context = groups; }

  int rank() const override { return boxes_.rank; }
  int size() const override { return static_cast<int>(boxes_.threads.size()); }
  void send(int to, Mailbox::Recipient recipient, std::string bytes) override {
    boxes_.world->send(address_of(to, recipient), {rank(), std::move(bytes)});
  }
  std::optional<Message> receive(Mailbox::Recipient recipient) override {
    return boxes_.world->receive(address_of(rank(), recipient));
  }
  std::vector<int> lost() override {
    auto ranks = all_ranks(boxes_);
    std::erase_if(ranks, [this](int rank) { return boxes_.state(rank) != ThreadWorld::State::dead; });
    return ranks;
  }
  Communicator group(std::vector<int> const& ranks, int number, std::function<void()> meanwhile) const override {
    return Communicator(make_group(groups_, number, ranks, std::move(meanwhile)));
  }

 private:
  Address address_of(int to, Mailbox::Recipient recipient) const {
    return {boxes_.context, static_cast<int>(index_of(recipient)), -1, to};
  }

  Place boxes_, groups_;
};

/// All ranks of a context.
class ThreadBackend : public GroupBackend {
 public:
  explicit ThreadBackend(Place const& place)
      : GroupBackend(
            all_ranks(place), place.rank, [place] { return std::make_unique<ThreadTransfers>(place, 0); }, [] {}),
        place_(place) {}

  Communicator split(int color, int key) const override {
    int const contexts = agree_on_contexts(size());  // one for each rank that may be the lowest of a color
    std::vector<std::tuple<int, int, int>> chosen;   // key, rank, thread
    int lowest = size();
    auto const wishes = all_gather(std::to_string(color) + " " + std::to_string(key));
    for (int rank = 0; rank < size(); ++rank) {
      auto const& wish = wishes[static_cast<std::size_t>(rank)];
      if (std::stoi(wish) != color) continue;
      lowest = std::min(lowest, rank);
      chosen.emplace_back(std::stoi(wish.substr(wish.find(' '))), rank, place_.threads[static_cast<std::size_t>(rank)]);
    }
    std::sort(chosen.begin(), chosen.end());
    Place part{place_.world, contexts + lowest, 0, {}};
    for (auto const& [its_key, rank, thread] : chosen) {
      if (rank == place_.rank) part.rank = static_cast<int>(part.threads.size());
      part.threads.push_back(thread);
    }
    return Communicator(std::make_shared<ThreadBackend const>(part));
  }
  Communicator duplicate() const override {
    auto copy = place_;
    copy.context = agree_on_contexts(1);
    return Communicator(std::make_shared<ThreadBackend const>(copy));
  }
  std::unique_ptr<Mailbox::Backend> mailbox() const override {
    auto boxes = place_;
    boxes.context = agree_on_contexts(1);
    return std::make_unique<ThreadMailbox>(boxes, agree_on_contexts(1));
  }

 private:
  /// One that no other communicator or mailbox has.
  int agree_on_contexts(int count) const {
    return std::stoi(broadcast(rank() == 0 ? std::to_string(place_.world->new_contexts(count)) : "", 0));
  }

  Place place_;
};

}  // namespace

void run_ranks(int size, std::function<void(Communicator const& world)> const& body) {
  auto const world = std::make_shared<ThreadWorld>();
  auto const context = world->new_contexts(1);
  std::vector<int> threads(static_cast<std::size_t>(size));
  std::iota(threads.begin(), threads.end(), 0);
  std::mutex mutex;
  std::exception_ptr failure;  // the first; later ones follow from it
  {
    std::vector<std::jthread> ranks;
    for (int rank : threads) {
      ranks.emplace_back([&, rank] {
        auto end = ThreadWorld::State::dead;
        try {
          body(Communicator(std::make_shared<ThreadBackend const>(Place{world, context, rank, threads})));
          end = ThreadWorld::State::ended;
        } catch (Death const&) {
        } catch (...) {
          std::lock_guard const lock(mutex);
          if (!failure) failure = std::current_exception();
        }
        world->leave(rank, end);
      });
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace onemask::test
