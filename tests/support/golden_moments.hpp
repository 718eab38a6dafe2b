#pragma once

#include "support/golden.hpp"
#include <onemask/moments/second_moment.hpp>

#include <cstdint>
#include <map>
#include <vector>

namespace onemask::test {

/// Second moments [in, in] of layers over the golden tokens. Not all of the golden ones is stored: second_moment_golden_test
/// compares the rows that are.
inline std::map<int, SecondMoment> golden_moments(CausalLM const& model, SafetensorsFile const& numbers,
                                                  std::vector<int> const& layers) {
  auto const ids = numbers.tensor("token_ids").to(at::kLong).contiguous();
  auto const length = ids.size(1);
  std::map<int, MomentSum> sums;
  for (std::int64_t first = 0; first < ids.size(0); first += 8) {
    std::vector<std::vector<std::int64_t>> rows;
    for (auto row = first; row < std::min(first + 8, ids.size(0)); ++row) {
      auto const* const begin = ids.data_ptr<std::int64_t>() + row * length;
      rows.emplace_back(begin, begin + length);
    }
    visit_keys(model, pack_rows(rows, model.device()), layers, [&](int layer, at::Tensor const& keys) {
      auto const sum = sums.try_emplace(layer, keys.size(1), MomentSum::suitable_exponent(keys), model.device()).first;
      sum->second.add(keys);
    });
  }
  std::map<int, SecondMoment> moments;
  for (auto const& [layer, sum] : sums) moments[layer] = {layer, ids.numel(), sum.mean(ids.numel()), "", {}};
  return moments;
}

}  // namespace onemask::test
