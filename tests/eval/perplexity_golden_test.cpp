#include "support/golden_mask.hpp"
#include <onemask/model/perplexity.hpp>

#include <cmath>
#include <cstdio>

namespace onemask::test {
namespace {

class PerplexityGolden : public GoldenTest {
 protected:
  /// The model that a condition names: original, edited_CASE or pruned_CASE.
  std::unique_ptr<CausalLM> changed(CausalLM const& model, std::string const& condition) const {
    auto const underscore = condition.find('_');
    if (underscore == std::string::npos) return model.with_projections({});
    auto const case_id = std::stoll(condition.substr(underscore + 1));
    for (auto const* split : {"train", "heldout"}) {
      GoldenEdits const edits(*this, split);
      auto const found = edits.place.find(case_id);
      if (found == edits.place.end()) continue;
      auto const& edit = edits.edits[found->second];
      auto weight = model.projection(edits.layer).weight.to(at::kCPU, at::kFloat) + at::matmul(edit.left.t(), edit.right);
      if (condition.starts_with("pruned")) weight = weight * tensors("eval_mask.safetensors").tensor("mask").t();
      return model.with_projections({{edits.layer, weight.to(model.device(), model.dtype())}});
    }
    throw std::out_of_range("no edit of case " + std::to_string(case_id));
  }
};

TEST_P(PerplexityGolden, WindowsThatOverlapAndNot) {
  auto const golden = json("ppl.json");
  auto const stored = tensors("ppl_ids.safetensors").tensor("ids").to(at::kLong).contiguous();
  std::span const ids(stored.data_ptr<std::int64_t>(), static_cast<std::size_t>(stored.numel()));
  auto const lm = model();
  int settings = 0;
  for (auto const& [setting, perplexities] : golden.items()) {
    int length = 0, stride = 0;
    if (std::sscanf(setting.c_str(), "maxlen%d_stride%d", &length, &stride) != 2) continue;
    ++settings;
    auto const windows = cut_text(ids, {}, length, stride);
    for (auto const& [condition, expected] : perplexities.items()) {
      if (settings > 1 && condition != "original") continue;  // changed models once: they take their time
      auto const score = score_text(*changed(*lm, condition), windows);
      auto const perplexity = std::exp(score.nll / static_cast<double>(score.tokens));
      auto const deviation = std::abs(perplexity / expected.get<double>() - 1);
      EXPECT_TRUE(within(tolerance::perplexity, deviation)) << setting << ", " << condition;
    }
  }
  EXPECT_EQ(settings, 3);
}

INSTANTIATE_TEST_SUITE_P(Of, PerplexityGolden, testing::ValuesIn(golden_sources()), testing::PrintToStringParamName());

}  // namespace
}  // namespace onemask::test
