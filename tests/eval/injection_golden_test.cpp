#include "support/golden_hparams.hpp"
#include "support/golden_mask.hpp"
#include <onemask/edit/adaptive_edit.hpp>
#include <onemask/eval/injection_scores.hpp>
#include <onemask/statistics/proportion.hpp>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

namespace onemask::test {
namespace {

/// Held-out facts of cf-gpt2, edited under masks by ROME. The shares are those of an independent program, over 30 facts and with
/// two digits.
class InjectionGolden : public GoldenTest {
 protected:
  static constexpr std::size_t count = 30, batch = 15;

  InjectionGolden() : edits_(*this, "heldout"), model_(model()), words_(tokenizer()) {}

  void take_facts() {
    hparams_ = golden_hparams(json("mask_edits_heldout.json").at("hparams"));
    auto templates = json("context_templates.json").at("rome_short").get<ContextTemplates>();
    templates.resize(3);
    edits_.facts.resize(count);
    for (auto const& fact : edits_.facts) {
      facts_.push_back(&fact);
      requests_.push_back(make_edit_request(words_, fact, templates, hparams_, model_->config().positions));
    }
  }

  struct Found {
    double inject, off, adaptive, known, norm, adaptive_norm;
  };

  /// Facts edited under a mask [out, in]; undefined: no mask.
  Found under(at::Tensor const& keep) const {
    auto const weight = model_->projection(edits_.layer).weight;
    auto const masked = model_->with_projections({{edits_.layer, keep.defined() ? weight * keep.to(weight.device()) : weight}});
    std::vector<RomeResult> results;
    for (std::size_t first = 0; first < count; first += batch) {
      for (auto& result : rome(*masked, std::span(requests_).subspan(first, batch), hparams_))
        results.push_back(std::move(result));
    }
    std::vector<Edit> usual;
    for (auto const& result : results) usual.push_back(result.edit);
    auto const adaptive = keep.defined() ? adaptive_edits(results, keep) : usual;
    auto const norms = update_norms(usual), adaptive_norms = update_norms(adaptive, keep);
    RewritePrompts const prompts(*model_, words_, edits_.layer, facts_, false);
    auto const success = [](std::vector<InjectionScore> const& rows) {
      return share(rows, [](auto const& row) { return row.lp_new > row.lp_true; });
    };
    return {success(prompts.score(usual, norms, keep)),
            success(prompts.score(usual, norms, {})),
            success(prompts.score(adaptive, adaptive_norms, keep)),
            share(prompts.score(*masked), [](auto const& row) { return row.lp_true > row.lp_new; }),
            mean(norms),
            mean(adaptive_norms)};
  }

  /// ES of the facts one after the other in one model.
  double in_sequence(at::Tensor const& keep) const {
    auto weight = model_->projection(edits_.layer).weight.to(at::kFloat, false, true);
    auto const here = keep.to(weight.device());
    auto const carrying = [&] { return model_->with_projections({{edits_.layer, (weight * here).to(model_->dtype())}}); };
    std::vector<InjectionScore> rows;
    for (std::size_t f = 0; f < count; ++f) {
      auto const result = rome(*carrying(), std::span(requests_).subspan(f, 1), hparams_).front();
      weight.add_(at::matmul(result.edit.left.t(), result.edit.right).to(weight.device()));
      rows.push_back(RewritePrompts(*model_, words_, edits_.layer, {facts_[f]}, false).score(*carrying()).front());
    }
    return share(rows, [](auto const& row) { return row.lp_new > row.lp_true; });
  }

  bool is_measured() const { return GetParam().name == "cf_gpt2"; }
  at::Tensor trained_mask() const { return tensors("eval_mask.safetensors").tensor("mask").t().to(at::kBool).contiguous(); }

  template <typename Is>
  static double share(std::vector<InjectionScore> const& rows, Is const& is) {
    return static_cast<double>(std::count_if(rows.begin(), rows.end(), is)) / static_cast<double>(count);
  }
  static double mean(std::vector<double> const& values) {
    double sum = 0;
    for (auto const value : values) sum += value;
    return sum / static_cast<double>(values.size());
  }

  GoldenEdits edits_;
  std::unique_ptr<CausalLM> model_;
  Tokenizer words_;
  EditHparams hparams_;
  std::vector<EditRequest> requests_;
  std::vector<Fact const*> facts_;
};

TEST_P(InjectionGolden, TheMeasuredTable) {
  if (!is_measured()) GTEST_SKIP() << "The table was measured on cf-gpt2, of the folder 'shared'.";
  take_facts();
  auto const trained = trained_mask();
  auto const zeros = trained.logical_not().sum().item<std::int64_t>();
  auto const weight = model_->projection(edits_.layer).weight.to(at::kCPU, at::kFloat);
  struct Line {
    char const* name;
    at::Tensor keep;
    Found expected;
    std::optional<Interval> of_inject, of_adaptive = {};  ///< Clopper-Pearson's, 95 %
  };
  constexpr double rounding = 0.005, tenth = 0.05;
  std::vector<Line> const lines{
      {"none", {}, {0.93, 0.93, 0.93, 1, 12.6, 12.6}, Interval{0.78, 0.99}},
      {"trained", trained, {0.20, 0.93, 0.83, 1, 11.6, 15.1}, Interval{0.08, 0.39}, Interval{0.65, 0.94}},
      {"random",
       largest_mask(golden_draws(weight.size(0), weight.size(1)), zeros),
       {0.73, 0.87, 0.87, 1, 11.0, 12.3},
       Interval{0.54, 0.88}},
      {"magnitude", largest_mask(weight.abs(), zeros), {0.13, 0.30, 0.47, 1, 6.1, 7.0}, Interval{0.04, 0.31}},
      {"delta magnitude",
       largest_mask(golden_delta_magnitude(*this), zeros),
       {0.03, 0.67, 0.73, 1, 8.0, 11.4},
       Interval{0.00, 0.17}}};
  for (auto const& line : lines) {
    SCOPED_TRACE(line.name);
    auto const found = under(line.keep);
    EXPECT_NEAR(found.inject, line.expected.inject, rounding);
    EXPECT_NEAR(found.off, line.expected.off, rounding);
    EXPECT_NEAR(found.adaptive, line.expected.adaptive, rounding);
    EXPECT_EQ(found.known, line.expected.known);
    EXPECT_NEAR(found.norm, line.expected.norm, tenth);
    EXPECT_NEAR(found.adaptive_norm, line.expected.adaptive_norm, tenth);
    for (auto const& [of, expected] : {std::pair(found.inject, line.of_inject), std::pair(found.adaptive, line.of_adaptive)}) {
      if (!expected) continue;
      auto const interval = clopper_pearson(std::llround(of * static_cast<double>(count)), static_cast<std::int64_t>(count));
      EXPECT_NEAR(interval.low, expected->low, rounding);
      EXPECT_NEAR(interval.high, expected->high, rounding);
    }
  }
}

/// The published way: every edit is made in the model that carries all edits before it, and is scored right after.
TEST_P(InjectionGolden, EditsThatAddUp) {
  if (!is_measured()) GTEST_SKIP() << "This was measured on cf-gpt2, of the folder 'shared'.";
  take_facts();
  auto const none = at::ones_like(trained_mask());
  EXPECT_NEAR(in_sequence(none), 0.87, 0.005);
  EXPECT_NEAR(in_sequence(trained_mask()), 0.73, 0.005);
}

INSTANTIATE_TEST_SUITE_P(Of, InjectionGolden, testing::ValuesIn(golden_sources()), testing::PrintToStringParamName());

}  // namespace
}  // namespace onemask::test
