#include "report/compared_rsr.hpp"

#include "report/paired_scores.hpp"

#include <iterator>
#include <vector>

namespace onemask {

RsrTest compare_rsr(Summary const& summary, FactScores const* scores, ModelKind const& a, ModelKind const& b,
                    Group const& group) {
  auto const of_a = *summary.mean(a, group, "rewrite", "rsr"), of_b = *summary.mean(b, group, "rewrite", "rsr");
  auto const difference = of_a.mean - of_b.mean;
  if (scores != nullptr) {
    std::vector<bool> wanted;
    for (auto const& split : scores->splits()) wanted.push_back(split == group.split);
    auto const paired = pair_scores(*scores, {a.kind, a.models}, {b.kind, b.models}, fact_metric("rsr", PromptKind::rewrite),
                                    PromptKind::rewrite, wanted);
    auto const n = paired ? std::ssize(paired->facts) : 0;
    if (n > 0 && n == of_a.n && n == of_b.n) return {difference, p_of_yes_no(*paired), interval_of_yes_no(*paired)};
  }
  bool const apart = of_a.low > of_b.high || of_a.high < of_b.low;
  return {difference, apart ? 0.0 : 1.0, std::nullopt};
}

}  // namespace onemask
