#pragma once

#include <onemask/dispatch/run_ending.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace onemask {

/// What the coordinator tells a rank's worker.
struct Order {
  enum class What : std::int32_t {
    run,      ///< the task, with `ranks`, as group `number`
    abandon,  ///< group `number`: one of its ranks is lost or has failed
    stop,     ///< the task in hand is to end soon, so that it can go on later
    gather,   ///< write the study file
    end,      ///< no more work
    alive     ///< nothing but an answer: the coordinator is there
  };
  What what = What::alive;
  std::int32_t number = 0;
  std::int64_t task = 0;
  std::vector<std::int32_t> ranks = {};
  std::string text = {};
};

Order to_order(RunEnding const& ending);
RunEnding ending_from_order(Order const& order);

/// What a rank's worker tells the coordinator.
struct Report {
  enum class What : std::int32_t {
    ready,    ///< for a first task; `number` is the number of its host
    done,     ///< with its part of the task, in `value` seconds; 0: it was there already
    dropped,  ///< the task, stopped or abandoned
    failed,   ///< in the task, on this rank: `text` says why
    refused,  ///< the same for a mistake of the user's, which no other rank would survive either
    disk,     ///< the same for a disk that is full or broken
    unfit,    ///< as `failed`, and this rank's device is lost: it can do no more
    share,    ///< `value` of the task is done
    here,     ///< the answer to order `number`
    signal,   ///< this process was asked to stop
    gathered  ///< `value` 1: everything planned is there
  };
  What what = What::ready;
  std::int32_t number = 0;
  std::int64_t task = 0;
  double value = 0;
  std::string text = {};
};

std::string to_bytes(Order const& order);
std::string to_bytes(Report const& report);
Order order_from_bytes(std::string const& bytes);
Report report_from_bytes(std::string const& bytes);

}  // namespace onemask
