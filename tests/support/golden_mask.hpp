#pragma once

#include "support/golden.hpp"
#include "support/golden_fact.hpp"
#include <onemask/edit/edit.hpp>
#include <onemask/mask/baselines.hpp>

#include <map>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>

namespace onemask::test {

/// Facts with the edits that the golden masks and evaluations were made with.
struct GoldenEdits {
  int layer;
  std::vector<Fact> facts;
  std::vector<Edit> edits;
  std::map<std::int64_t, std::size_t> place;  ///< by case_id

  /// The edits of "train" or "heldout".
  GoldenEdits(Golden const& golden, std::string const& split) {
    auto const content = golden.json("mask_edits_" + split + ".json");
    auto const factors = golden.tensors("mask_edits_" + split + ".safetensors");
    auto const u = factors.tensor("u"), v = factors.tensor("v");
    layer = content.at("hparams").at("layers").at(0).get<int>();
    for (auto const& record : content.at("records")) {
      auto const index = static_cast<std::int64_t>(facts.size());
      place[record.at("case_id").get<std::int64_t>()] = facts.size();
      facts.push_back(golden_fact(record));
      Edit edit;
      edit.case_id = facts.back().case_id;
      edit.layer = layer;
      edit.left = v[index].unsqueeze(0);
      edit.right = u[index].unsqueeze(0);
      edits.push_back(std::move(edit));
    }
  }
};

/// Mean |ΔW| over the edits of `shared` that its masks were trained on, [out, in].
inline at::Tensor golden_delta_magnitude(Golden const& golden) {
  constexpr std::int64_t trained_on = 99;
  auto const factors = golden.tensors("mask_edits_train.safetensors");
  return mean_delta_magnitude(factors.tensor("v").narrow(0, 0, trained_on).unsqueeze(1),
                              factors.tensor("u").narrow(0, 0, trained_on).unsqueeze(1));
}

/// The numbers from 0 to 1 that independent programs draw random masks by, [out, in]: PyTorch's of seed 0, drawn as [in, out].
inline at::Tensor golden_draws(std::int64_t out, std::int64_t in) {
  return at::rand({in, out}, at::detail::createCPUGenerator(0), at::kFloat).t();
}

}  // namespace onemask::test
