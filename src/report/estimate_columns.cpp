#include "report/estimate_columns.hpp"

namespace onemask {

void EstimateColumns::add(Estimate const& value) {
  mean_.push_back(value.mean), low_.push_back(value.low), high_.push_back(value.high);
  n_.push_back(value.n), planned_.push_back(value.planned);
}

void EstimateColumns::append_to(Table& table, std::string const& mean) const {
  table.columns.emplace_back(mean, mean_), table.columns.emplace_back("low", low_), table.columns.emplace_back("high", high_);
  table.columns.emplace_back("n", n_), table.columns.emplace_back("planned", planned_);
}

}  // namespace onemask
