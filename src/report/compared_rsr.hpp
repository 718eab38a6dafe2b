#pragma once

#include "report/fact_scores.hpp"
#include "report/summary.hpp"
#include <onemask/statistics/proportion.hpp>

#include <optional>

namespace onemask {

/// How the RSR of two kinds of models differs on the facts of a group.
struct RsrTest {
  double difference;  ///< of the first from the second
  double p;
  std::optional<Interval> interval = {};  ///< 95 % of the difference, where both are scored on the same facts
};

/// Of the same facts where both are scored on all that either has (McNemar's of one model each, else the bootstrap over facts and
/// seeds). Where they are not, or `scores` is null, p is 0 where the 95 % intervals lie apart, else 1. Both must be scored there.
RsrTest compare_rsr(Summary const& summary, FactScores const* scores, ModelKind const& a, ModelKind const& b, Group const& group);

}  // namespace onemask
