#pragma once

#include "mpi_backend.hpp"
#include <onemask/comm/integer_sums.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <mpi.h>

namespace onemask {

/// Sums through MPI. Numbers travel in buckets from `start` on, so the sums run beside the work that makes the next ones.
class MpiSums : public IntegerSums {
 public:
  /// Sums over `ranks`, which nothing else communicates by.
  explicit MpiSums(std::shared_ptr<MpiBackend const> ranks) : ranks_(std::move(ranks)) {}
  ~MpiSums() override;

  void start(std::int64_t* values, std::int64_t count, std::shared_ptr<void const> owner) override;
  void finish() override;
  std::string transport() const override { return "MPI"; }

 private:
  std::shared_ptr<MpiBackend const> ranks_;
  std::vector<std::shared_ptr<void const>> owners_;
  std::vector<MPI_Request> requests_;
};

}  // namespace onemask
