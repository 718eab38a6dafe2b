#include "cli/ending.hpp"

#include <onemask/core/deadline.hpp>
#include <onemask/core/error.hpp>

#include <exception>
#include <new>
#include <optional>

namespace onemask {
namespace {

std::string first_line(std::string const& text) {
  return text.substr(0, text.find('\n'));
}

Ending read_ending(std::string const& report) {
  auto const space = report.find(' ');
  return {std::stoi(report.substr(0, space)), report.substr(space + 1)};
}

}  // namespace

Ending ending_of(std::function<int()> const& work) {
  try {
    return {work()};
  } catch (UserError const& error) {
    return {2, error.what()};
  } catch (Interrupted const& error) {
    return {75, first_line(error.what())};
  } catch (std::bad_alloc const&) {
    return {1, "The memory of this machine is used up; use fewer ranks on it, or smaller batches."};
  } catch (std::exception const& error) {
    auto const line = first_line(error.what());
    return {1, line.empty() ? "A failure without a description." : line};
  } catch (...) {
    return {1, "A failure of an unknown kind."};
  }
}

Ending end_together(Communicator const& ranks, Ending const& own, std::chrono::milliseconds patience,
                    std::function<void()> const& give_up) {
  if (ranks.size() == 1) return own;
  std::optional<Deadline> deadline;
  if (!own.sentence.empty() || ranks.rank() == 0) deadline.emplace(patience, give_up);
  auto const reports = ranks.all_gather(std::to_string(own.code) + " " + own.sentence);
  if (!own.sentence.empty()) return own;
  for (std::size_t rank = 0; rank < reports.size(); ++rank) {
    auto const ending = read_ending(reports[rank]);
    if (!ending.sentence.empty()) return {ending.code, "rank " + std::to_string(rank) + ": " + ending.sentence};
  }
  return own;
}

}  // namespace onemask
