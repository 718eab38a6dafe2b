// Reads a JSON list of cases from stdin and prints the list of their results, for statistics_test.py.
#include <onemask/statistics/paired_tests.hpp>
#include <onemask/statistics/proportion.hpp>
#include <onemask/statistics/resampling.hpp>

#include <iostream>

#include <nlohmann/json.hpp>

namespace onemask {
namespace {

nlohmann::json result_of(nlohmann::json const& item) {
  auto const what = item.at("what").get<std::string>();
  auto const& of = item.at("of");
  auto const counts = [&] { return PairedCounts{of[0], of[1], of[2], of[3]}; };
  auto const both_ends = [](Interval const& interval) { return nlohmann::json{interval.low, interval.high}; };
  if (what == "clopper_pearson") return both_ends(clopper_pearson(of[0], of[1]));
  if (what == "mcnemar") return mcnemar_exact(counts());
  if (what == "difference") return both_ends(paired_share_difference(counts()));
  if (what == "dz") return cohens_dz(of);
  if (what == "holm") return holm(of);
  if (what == "bootstrap") return both_ends(interval_of_mean({of.at("seeds"), of.at("values")}));
  auto const ranks = wilcoxon(of);
  return {{"p", ranks.p},
          {"exact", ranks.exact},
          {"plus", ranks.plus},
          {"minus", ranks.minus},
          {"rank_biserial", ranks.rank_biserial}};
}

}  // namespace
}  // namespace onemask

int main() {
  auto results = nlohmann::json::array();
  for (auto const& item : nlohmann::json::parse(std::cin)) results.push_back(onemask::result_of(item));
  std::cout << results << '\n';
}
