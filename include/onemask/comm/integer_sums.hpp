#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace onemask {

/// Sums of integers over a group of ranks, beside other work. All ranks start the same sums in the same order.
class IntegerSums {
 public:
  virtual ~IntegerSums() = default;

  /// values[i] becomes the sum over all ranks, in place, by the end of `finish`. `owner` keeps the memory alive.
  virtual void start(std::int64_t* values, std::int64_t count, std::shared_ptr<void const> owner) = 0;
  /// Waits for all sums started. Throws RunError when the communication fails; the sums are then of no more use.
  virtual void finish() = 0;
  /// What carries them.
  virtual std::string transport() const = 0;
};

}  // namespace onemask
