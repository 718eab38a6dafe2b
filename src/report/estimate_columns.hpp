#pragma once

#include <onemask/report/estimate.hpp>
#include <onemask/store/study_file.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace onemask {

/// The last columns of a table with a row for every estimate.
class EstimateColumns {
 public:
  void add(Estimate const& value);
  /// Appends the columns `mean`, low, high, n and planned.
  void append_to(Table& table, std::string const& mean = "mean") const;

 private:
  std::vector<double> mean_, low_, high_;
  std::vector<std::int64_t> n_, planned_;
};

}  // namespace onemask
