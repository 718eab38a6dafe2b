#include "support/golden_mask.hpp"
#include <onemask/eval/metrics.hpp>
#include <onemask/mask/baselines.hpp>

#include <algorithm>
#include <cmath>

namespace onemask::test {
namespace {

/// Baselines of a real model; the numbers are those of an independent program on cf-gpt2.
class BaselinesGolden : public GoldenTest {
 protected:
  BaselinesGolden() : edits_(*this, "heldout"), model_(model()), words_(tokenizer()) {}

  static Condition under(Baseline const& baseline, std::int64_t zeros = 0, std::shared_ptr<LayerSpectrum const> spectrum = {}) {
    Condition condition{describe(baseline), true, {}};
    condition.own = FactBaseline{baseline, zeros, 0, std::move(spectrum)};
    return condition;
  }
  static Condition masked(std::string const& name, at::Tensor const& keep, Cover cover) {
    Condition condition{name, true, keep};
    condition.cover = cover;
    return condition;
  }

  /// Means over the rewrite prompts of some facts, by the first tokens of the objects.
  struct Means {
    double rsr = 0, kl = 0, top1_kept = 0;
  };
  std::vector<Means> means(std::vector<Condition> const& conditions, std::vector<EvaluationFact> const& facts) const {
    std::vector<Means> means(conditions.size());
    auto const n = static_cast<double>(facts.size());
    for (std::size_t first = 0; first < facts.size(); first += 20) {
      for (auto const& row :
           rows(conditions, {facts.begin() + static_cast<std::ptrdiff_t>(first),
                             facts.begin() + static_cast<std::ptrdiff_t>(std::min(first + 20, facts.size()))})) {
        auto& mean = means[static_cast<std::size_t>(row.condition)];
        mean.rsr += (row.rank_true < row.rank_new) / n;
        mean.kl += row.kl / n;
        mean.top1_kept += static_cast<double>(1 - row.top1_changed) / n;
      }
    }
    return means;
  }
  std::vector<PromptMetrics> rows(std::vector<Condition> const& conditions, std::vector<EvaluationFact> const& facts) const {
    return evaluate(*model_, words_, edits_.layer, facts, conditions, {.kinds = {PromptKind::rewrite}});
  }
  static EvaluationFact fact_of(GoldenEdits const& edits, std::size_t place) {
    return {0, &edits.facts[place], &edits.edits[place]};
  }
  std::vector<EvaluationFact> all() const {
    std::vector<EvaluationFact> facts;
    for (std::size_t place = 0; place < edits_.facts.size(); ++place) {
      facts.push_back(fact_of(edits_, place));
      facts.back().index = std::ssize(facts) - 1;
    }
    return facts;
  }
  at::Tensor weight() const { return model_->projection(edits_.layer).weight; }

  /// The entries that a record of the published pruners names by their places in the matrix as GPT-2 holds it, [in, out].
  void expect_pruned(BaselineScore score, Edit const& edit, std::int64_t count, nlohmann::json const& record) const {
    auto const original = weight().to(at::kCPU, at::kFloat);
    auto const edited = original + at::matmul(edit.left.t(), edit.right);
    auto const places = pruning_mask(score, original, edited, count).t().reshape({-1}).logical_not().nonzero().squeeze(1);
    EXPECT_EQ(places.sum().item<std::int64_t>(), record.at("sum_flat_index").get<std::int64_t>());
    for (std::int64_t i = 0; i < 8; ++i)
      EXPECT_EQ(places[i].item<std::int64_t>(), record.at("first")[static_cast<std::size_t>(i)].get<std::int64_t>());
  }

  bool is_measured() const { return GetParam().name == "cf_gpt2"; }

  GoldenEdits edits_;
  std::unique_ptr<CausalLM> model_;
  Tokenizer words_;
};

TEST_P(BaselinesGolden, FactorsComeToTheSameAsMatrices) {
  std::vector<std::size_t> const places{0, 1, 2, 3};
  auto const zeros = weight().numel() / 20;
  for (auto const score : {BaselineScore::delta_magnitude, BaselineScore::magnitude_columns}) {
    Baseline const baseline{score, BaselineScope::fact, Fill::original};
    auto const lines = score == BaselineScore::magnitude_columns ? weight().size(0) : 1;
    auto const count = zeros / lines * lines;
    for (auto const place : places) {
      auto const& edit = edits_.edits[place];
      auto const edited = weight().to(at::kFloat) + at::matmul(edit.left.t(), edit.right).to(weight().device());
      Condition dense{"dense", true, {}};
      dense.shared = [&] {
        auto const changed = changed_matrix({baseline, count}, weight(), edited);
        return model_->with_projections({{edits_.layer, changed.to(weight().scalar_type())}});
      };
      auto const both = means({under(baseline, count), dense}, {fact_of(edits_, place)});
      EXPECT_TRUE(within(tolerance::divergence, std::abs(both[0].kl - both[1].kl))) << describe(baseline) << " " << place;
    }
  }
}

TEST_P(BaselinesGolden, EveryBaselineIsThatOfTheCpu) {
  auto const cpu = load_causal_lm(Checkpoint::open(GetParam().checkpoint), {at::kCPU, at::kFloat});
  auto const spectrum = std::make_shared<LayerSpectrum const>(cpu->projection(edits_.layer).weight);
  std::vector<Condition> conditions;
  for (auto const& [score, name] : baseline_score_names) {
    for (auto const fill : {Fill::zero, Fill::original}) {
      Baseline baseline{score, BaselineScope::fact, fill, 0.05};
      if (!prunes(baseline)) baseline.amount = score == BaselineScore::shrink ? 0.5 : 2;
      auto const count = pruned_entries(baseline, weight().size(0), weight().size(1), 0);
      conditions.push_back(under(baseline, count, spectrum));
    }
  }
  std::vector<EvaluationFact> const facts{fact_of(edits_, 0), fact_of(edits_, 1), fact_of(edits_, 2)};
  auto const here = rows(conditions, facts);
  auto const expected = evaluate(*cpu, words_, edits_.layer, facts, conditions, {.kinds = {PromptKind::rewrite}});
  ASSERT_EQ(here.size(), expected.size());
  for (std::size_t i = 0; i < here.size(); ++i)
    EXPECT_TRUE(within(tolerance::divergence, std::abs(here[i].kl - expected[i].kl)))
        << conditions[static_cast<std::size_t>(here[i].condition)].name;
}

TEST_P(BaselinesGolden, TheMeasuredTable) {
  if (!is_measured()) GTEST_SKIP() << "The table was measured on cf-gpt2, of the folder 'shared'.";
  auto const keep = tensors("eval_mask.safetensors").tensor("mask").t().to(at::kBool);
  auto const of_mask = keep.logical_not().sum().item<std::int64_t>();
  auto const shared = golden_delta_magnitude(*this);
  auto const draws = golden_draws(weight().size(0), weight().size(1));
  std::vector<Condition> conditions{{"edited", true, {}},
                                    masked("both", keep, Cover::both),
                                    masked("delta", keep, Cover::delta),
                                    masked("weight", keep, Cover::weight)};
  std::vector<double> expected{0.03, 0.62, 0.51, 0.20};
  auto const add = [&](Condition condition, double rsr) {
    conditions.push_back(std::move(condition));
    expected.push_back(rsr);
  };
  struct Line {
    BaselineScore score;
    double few_zero, few_original, many_zero, many_original;
  };
  for (bool const few : {true, false}) {
    auto const amount = few ? std::optional(0.05) : std::nullopt;  // nothing: as many as the mask
    auto const entries = few ? weight().numel() / 20 : of_mask;
    add(masked("shared magnitude", largest_mask(weight().to(at::kCPU, at::kFloat).abs(), entries), Cover::both),
        few ? 0.03 : 0.12);
    add(masked("random", largest_mask(draws, entries), Cover::both), few ? 0.03 : 0.14);
    add(masked("shared delta", largest_mask(shared, entries), Cover::both), few ? 0.19 : 0.69);
    add(masked("shared delta, original", largest_mask(shared, entries), Cover::delta), few ? 0.21 : 0.73);
    std::vector<Line> const lines{{BaselineScore::magnitude, 0.83, 0.54, 0.97, 0.89},
                                  {BaselineScore::delta_magnitude, 1, 1, 1, 1},
                                  {BaselineScore::magnitude_rows, 0.11, 0.13, 0.52, 0.53},
                                  {BaselineScore::magnitude_columns, 0.96, 0.97, 1, 1}};
    for (auto const& line : lines) {
      for (auto const fill : {Fill::zero, Fill::original}) {
        Baseline const baseline{line.score, BaselineScope::fact, fill, amount};
        auto const count = pruned_entries(baseline, weight().size(0), weight().size(1), of_mask);
        bool const zero = fill == Fill::zero;
        add(under(baseline, count),
            few ? (zero ? line.few_zero : line.few_original) : (zero ? line.many_zero : line.many_original));
      }
    }
  }
  auto const found = means(conditions, all());
  for (std::size_t c = 0; c < conditions.size(); ++c)
    EXPECT_TRUE(within(tolerance::decision, std::abs(found[c].rsr - expected[c]))) << conditions[c].name << ": " << found[c].rsr;
}

TEST_P(BaselinesGolden, WithoutTheLargestComponentEveryEditIsUndone) {
  if (!is_measured()) GTEST_SKIP() << "This was measured on cf-gpt2, of the folder 'shared'.";
  auto const spectrum = std::make_shared<LayerSpectrum const>(weight());
  Baseline const baseline{BaselineScore::bottom_rank, BaselineScope::fact, Fill::zero, 1};
  auto const mean = means({under(baseline, 0, spectrum)}, all()).front();
  EXPECT_NEAR(mean.rsr, 1, 1e-12);
  EXPECT_NEAR(mean.top1_kept, 1, 1e-12);
  EXPECT_LT(mean.kl, 0.005);
}

/// An edit is several times as large as anything in the matrix, and so nearly is the edited one's largest component.
TEST_P(BaselinesGolden, TheLargestComponentIsTheEdit) {
  if (!is_measured()) GTEST_SKIP() << "This was measured on cf-gpt2, of the folder 'shared'.";
  auto const original = weight().to(at::kCPU, at::kDouble);
  LayerSpectrum const spectrum(original);
  EXPECT_NEAR(at::matmul(original.t(), spectrum.top(1)).norm().item<double>(), 3.6, 0.05);
  double value = 0, norm = 0, cosine = 0;
  auto const n = static_cast<double>(edits_.edits.size());
  ASSERT_EQ(n, 100);
  for (auto const& edit : edits_.edits) {
    auto const left = edit.left[0].to(at::kDouble), right = edit.right[0].to(at::kDouble);
    auto const first = spectrum.top(edit.left.unsqueeze(0), edit.right.unsqueeze(0), 1)[0].squeeze(1);
    auto const scaled = at::matmul(first, original) + first.dot(left) * right;  // σ₁ b₁ᵀ = a₁ᵀ (W + ΔW)
    auto const largest = scaled.norm().item<double>(), size = (left.norm() * right.norm()).item<double>();
    value += largest / n;
    norm += size / n;
    cosine += std::abs((first.dot(left) * scaled.dot(right)).item<double>()) / (largest * size) / n;
  }
  EXPECT_NEAR(value, 12.8, 0.05);
  EXPECT_NEAR(norm, 12.7, 0.05);
  EXPECT_NEAR(cosine, 0.978, 0.0005);
}

TEST_P(BaselinesGolden, TheComponentsAreThoseOfADenseDecomposition) {
  auto const original = weight().to(at::kCPU, at::kDouble);
  LayerSpectrum const spectrum(original);
  for (std::size_t place = 0; place < 2; ++place) {
    auto const& edit = edits_.edits[place];
    auto const edited = original + at::matmul(edit.left.t(), edit.right).to(at::kDouble);
    auto const exact = std::get<0>(at::linalg_svd(edited, false));
    for (std::int64_t const count : {1, 5, 15, most_components}) {
      auto const top = spectrum.top(edit.left.unsqueeze(0), edit.right.unsqueeze(0), count)[0];
      auto const theirs = exact.narrow(1, 0, count);
      auto const removed = at::matmul(top, at::matmul(top.t(), edited)),
                 expected = at::matmul(theirs, at::matmul(theirs.t(), edited));
      EXPECT_LT(relative_error(removed, expected), 1e-5) << "k " << count;
    }
  }
}

/// The authors' own code, on 20 facts and 5 % of the weights. Its 'structured_magnitude' prunes what are rows here. Its
/// activations are signed, and of a GELU by the error function, where the model has the tanh: they may choose other columns.
TEST_P(BaselinesGolden, ThePublishedPruners) {
  if (!is_measured()) GTEST_SKIP() << "The published code was run on cf-gpt2, of the folder 'shared'.";
  auto const golden = json("pruners.json");
  GoldenEdits const train(*this, "train");
  std::vector<EvaluationFact> facts;
  for (auto const& record : golden.at("records")) {
    auto const id = record.at("case_id").get<std::int64_t>();
    auto const& edits = train.place.contains(id) ? train : edits_;
    facts.push_back(fact_of(edits, edits.place.at(id)));
    facts.back().index = std::ssize(facts) - 1;
  }
  struct Pruner {
    char const* name;
    BaselineScore score;
    double zero, original;  ///< RSR by fill
  };
  std::vector<Pruner> const pruners{{"structured_magnitude", BaselineScore::magnitude_rows, 0, 0},
                                    {"unstructured_magnitude", BaselineScore::magnitude, 0.80, 0.55},
                                    {"delta_magnitude", BaselineScore::delta_magnitude, 1, 1},
                                    {"activation", BaselineScore::activation_signed, 0.55, 0.65}};
  for (auto const& [name, score, zero, original] : pruners) {
    for (auto const& [fill, fill_name] : fill_names) {
      SCOPED_TRACE(testing::Message() << name << "/" << fill_name);
      Baseline const baseline{score, BaselineScope::fact, fill, 0.05};
      auto const count = pruned_entries(baseline, weight().size(0), weight().size(1), 0);
      auto const& theirs = golden.at("pruners").at(std::string(name) + "/" + fill_name);
      double rsr = 0;
      for (auto const& row : rows({under(baseline, count)}, facts)) {
        auto const& their = theirs.at("rows").at(static_cast<std::size_t>(row.fact));
        SCOPED_TRACE(testing::Message() << "record " << row.fact);
        EXPECT_EQ(count, their.at("n_pruned").get<std::int64_t>());
        EXPECT_EQ(row.lp_true > row.lp_new, their.at("rsr").get<bool>());
        rsr += (row.lp_true > row.lp_new) / static_cast<double>(facts.size());
        auto const deviation = std::max(logit_deviation(row.lp_true, their.at("lp_true").get<double>()),
                                        logit_deviation(row.lp_new, their.at("lp_new").get<double>()));
        EXPECT_TRUE(within(tolerance::logit, deviation));
        if (score == BaselineScore::activation_signed) continue;  // needs a prompt
        auto const& edit = *facts[static_cast<std::size_t>(row.fact)].edit;
        expect_pruned(score, edit, count, their);
      }
      EXPECT_NEAR(rsr, fill == Fill::zero ? zero : original, 1e-12);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Of, BaselinesGolden, testing::ValuesIn(golden_sources()), testing::PrintToStringParamName());

}  // namespace
}  // namespace onemask::test
