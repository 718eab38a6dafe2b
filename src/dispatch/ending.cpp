#include <onemask/core/deadline.hpp>
#include <onemask/core/error.hpp>
#include <onemask/dispatch/ending.hpp>

#include <exception>
#include <map>
#include <new>
#include <optional>
#include <thread>

#include <fmt/core.h>

namespace onemask {
namespace {

std::string first_line(std::string const& text) {
  return text.substr(0, text.find('\n'));
}

std::string to_text(Ending const& ending) {
  return fmt::format("{} {}", ending.code, ending.sentence);
}

Ending read_ending(std::string const& text) {
  auto const space = text.find(' ');
  return {std::stoi(text.substr(0, space)), text.substr(space + 1)};
}

constexpr char all_came = '+', some_hang = '-';  // before the common ending
constexpr std::chrono::milliseconds nap{1};

/// Rank 0 hears how the others ended, and tells those that came.
Meeting lead(Mailbox& ranks, Ending const& own, std::chrono::milliseconds patience) {
  auto const end = std::chrono::steady_clock::now() + patience;
  std::map<int, Ending> endings{{0, own}};
  while (std::ssize(endings) < ranks.size() && std::chrono::steady_clock::now() < end) {
    if (auto const report = ranks.receive(Mailbox::Recipient::coordinator)) {
      endings[report->from] = read_ending(report->bytes);
    } else {
      std::this_thread::sleep_for(nap);
    }
  }
  Meeting met{own, std::ssize(endings) == ranks.size()};
  for (auto const& [rank, ending] : endings) {
    if (ending.sentence.empty()) continue;
    met.ending = {ending.code, fmt::format("rank {}: {}", rank, ending.sentence)};
    break;
  }
  for (auto const& [rank, ending] : endings) {
    if (rank != 0) ranks.send(rank, Mailbox::Recipient::worker, (met.all_came ? all_came : some_hang) + to_text(met.ending));
  }
  return met;
}

Meeting follow(Mailbox& ranks, Ending const& own, std::chrono::milliseconds patience, std::function<void()> const& give_up) {
  ranks.send(0, Mailbox::Recipient::coordinator, to_text(own));
  std::optional<Deadline> deadline;
  if (!own.sentence.empty()) deadline.emplace(patience, give_up);
  for (;;) {
    if (auto const verdict = ranks.receive(Mailbox::Recipient::worker))
      return {read_ending(verdict->bytes.substr(1)), verdict->bytes.front() == all_came};
    if (!ranks.lost().empty()) throw LostRank("A rank is lost at the end of the run.");
    std::this_thread::sleep_for(nap);
  }
}

}  // namespace

Ending ending_of(std::function<int()> const& work) {
  try {
    return {work()};
  } catch (UserError const& error) {
    return {2, error.what()};
  } catch (Interrupted const& error) {
    return {75, first_line(error.what())};
  } catch (LostRank const& error) {
    return {75, first_line(error.what())};
  } catch (std::bad_alloc const&) {
    return {1, "This machine is out of memory; use fewer ranks on it, or smaller batches."};
  } catch (std::exception const& error) {
    auto const line = first_line(error.what());
    return {1, line.empty() ? "A failure without a description." : line};
  } catch (...) {
    return {1, "A failure of an unknown kind."};
  }
}

Meeting end_together(Mailbox& ranks, Ending const& own, std::chrono::milliseconds patience,
                     std::function<void()> const& give_up) {
  if (ranks.size() == 1) return {own};
  auto const common = ranks.rank() == 0 ? lead(ranks, own, patience) : follow(ranks, own, patience, give_up);
  auto const met = own.sentence.empty() ? common : Meeting{own, common.all_came};
  if (!met.all_came && ranks.rank() == 0) give_up();
  return met;
}

}  // namespace onemask
