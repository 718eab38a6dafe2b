#include "support/tiny_model.hpp"
#include "support/tiny_tokenizer.hpp"
#include <onemask/eval/metrics.hpp>
#include <onemask/mask/baselines.hpp>
#include <onemask/mask/shared_mask.hpp>
#include <onemask/model/device.hpp>

#include <cmath>
#include <functional>

#include <gtest/gtest.h>

namespace onemask::test {
namespace {

constexpr std::int64_t out = 16, in = 64;

/// Two edited facts whose objects have several tokens.
class BaselinesTest : public testing::Test {
 protected:
  BaselinesTest() {
    set_threads(1);
    write_text(folder_ / "tokenizer.json", tiny_tokenizer({"a b", "c d", "q z", "z q"}).dump());
    for (std::size_t f = 0; f < 2; ++f) {
      auto& fact = facts_[f];
      fact.case_id = static_cast<std::int64_t>(f) + 1;
      fact.prompt = "The tongue of {} is";
      fact.subject = f == 0 ? "Bo" : "Annabel";
      fact.target_true = f == 0 ? "Welsh" : "x";
      fact.target_new = "Thai";
      fact.paraphrase_prompts = {fact.subject + " speaks", fact.subject + ", a native of"};
      edits_[f].left = random_tensor({1, out}, 3 + 10 * f);
      edits_[f].right = random_tensor({1, in}, 4 + 10 * f, 0.5);
    }
  }

  std::vector<PromptMetrics> run(Condition const& condition) const {
    return evaluate(*model_, Tokenizer::open(folder_.path()), 1, {{0, facts_.data(), edits_.data()}, {1, &facts_[1], &edits_[1]}},
                    {condition}, {});
  }
  static Condition under(Baseline const& baseline, std::int64_t zeros = 0, std::shared_ptr<LayerSpectrum const> spectrum = {}) {
    Condition condition{"baseline", true, {}};
    condition.own = FactBaseline{baseline, zeros, 7, std::move(spectrum)};
    return condition;
  }
  at::Tensor weight() const { return model_->projection(1).weight; }
  at::Tensor edited(std::size_t fact) const { return weight() + at::matmul(edits_[fact].left.t(), edits_[fact].right); }

  /// Compares with models whose matrix is `matrix(fact)`.
  void expect_matrices(std::vector<PromptMetrics> const& rows, std::function<at::Tensor(std::size_t)> const& matrix) const {
    ASSERT_EQ(rows.size(), 6U);
    for (std::size_t f = 0; f < 2; ++f) {
      Edit const none;
      Condition dense{"dense", true, {}};
      dense.shared = [&] { return model_->with_projections({{1, matrix(f)}}); };
      auto const expected = evaluate(*model_, Tokenizer::open(folder_.path()), 1, {{0, &facts_[f], &none}}, {dense}, {});
      for (auto const& row : expected) {
        auto const& own = rows[3 * f + static_cast<std::size_t>(row.prompt)];
        // Float32 rounds logits to some 1e-6 of their size, by kernels that differ between processors.
        auto const near = [](double expected) { return 2e-4 + 1e-5 * std::abs(expected); };
        EXPECT_NEAR(own.lp_true, row.lp_true, near(row.lp_true));
        EXPECT_NEAR(own.lp_new, row.lp_new, near(row.lp_new));
        EXPECT_NEAR(own.kl, row.kl, near(row.kl));
      }
    }
  }

  TemporaryFolder folder_;
  std::unique_ptr<CausalLM> const model_ = tiny_gpt2().load();
  std::vector<Fact> facts_{2};
  std::vector<Edit> edits_{2};
};

TEST_F(BaselinesTest, PruningByFactorsEqualsPrunedMatrices) {
  for (auto const score : {BaselineScore::magnitude, BaselineScore::delta_magnitude, BaselineScore::magnitude_rows,
                           BaselineScore::magnitude_columns, BaselineScore::magnitude_per_row}) {
    for (auto const fill : {Fill::zero, Fill::original}) {
      auto const zeros = 3 * in;  // three rows, twelve columns, twelve of every row
      expect_matrices(run(under({score, BaselineScope::fact, fill}, zeros)), [&](std::size_t f) {
        return filled(fill, pruning_mask(score, weight(), edited(f), zeros), weight(), edited(f));
      });
    }
  }
}

TEST_F(BaselinesTest, ChangesOfAHigherRank) {
  for (std::size_t f = 0; f < 2; ++f) {
    edits_[f].left = random_tensor({2, out}, 30 + f);
    edits_[f].right = random_tensor({2, in}, 40 + f, 0.5);
  }
  for (auto const score : {BaselineScore::delta_magnitude, BaselineScore::magnitude_rows, BaselineScore::magnitude_columns}) {
    expect_matrices(run(under({score, BaselineScope::fact, Fill::original}, 2 * in)), [&](std::size_t f) {
      return filled(Fill::original, pruning_mask(score, weight(), edited(f), 2 * in), weight(), edited(f));
    });
  }
  auto const spectrum = std::make_shared<LayerSpectrum const>(weight());
  expect_matrices(run(under({BaselineScore::bottom_rank, BaselineScope::fact, Fill::zero, 2}, 0, spectrum)), [&](std::size_t f) {
    auto const [left, values, right] = at::linalg_svd(edited(f), false);
    return at::matmul(left.narrow(1, 2, out - 2) * values.narrow(0, 2, out - 2), right.narrow(0, 2, out - 2));
  });
}

TEST_F(BaselinesTest, RandomEntriesDifferFromFactToFact) {
  expect_matrices(run(under({BaselineScore::random, BaselineScope::fact}, 100)), [&](std::size_t f) {
    return edited(f) * random_mask({out, in}, 100, 7, facts_[f].case_id);
  });
}

TEST_F(BaselinesTest, ActivationsAreThoseOfTheRewritePrompt) {
  auto const words = Tokenizer::open(folder_.path());
  for (auto const score : {BaselineScore::activation, BaselineScore::activation_signed}) {
    expect_matrices(run(under({score, BaselineScope::fact}, 5 * out)), [&](std::size_t f) {
      CachedRows const rows(*model_, 1, {words.encode(facts_[f].question())});
      auto const key = rows.batch(std::vector<std::int64_t>{0}).half.key;
      auto const means = (score == BaselineScore::activation ? key.abs() : key).mean(0);
      return edited(f) * largest_mask(means, 5).unsqueeze(0);
    });
  }
}

TEST_F(BaselinesTest, GradientsAreThoseOfTheRewritePrompt) {
  auto const words = Tokenizer::open(folder_.path());
  auto const slopes = [&](std::size_t f) {
    TwoWayBatch const batch(
        *model_, 1, {{words.encode(facts_[f].question()), words.encode(" " + facts_[f].target_true), words.encode(" Thai")}},
        {0});
    auto const matrix = edited(f);
    auto const gradient = batch.gradient(
        [&](at::Tensor const& key, at::Tensor const&) { return at::linear(key, matrix, model_->projection(1).bias); });
    auto const by_matrix = at::matmul(gradient.t(), batch.keys());
    // By differences, in some directions.
    auto const gap = [&](at::Tensor const& changed) {
      auto const scores = batch.score({}, *model_->with_projections({{1, changed}}));
      return (scores.lp_new - scores.lp_true)[0].item<double>();
    };
    for (std::uint64_t seed = 50; seed < 54; ++seed) {
      auto const step = random_tensor({out, in}, seed, 0.003);
      EXPECT_NEAR((by_matrix * step).sum().item<double>(), (gap(matrix + step) - gap(matrix - step)) / 2, 2e-4);
    }
    return by_matrix;
  };
  expect_matrices(run(under({BaselineScore::gradient, BaselineScope::fact}, 40)),
                  [&](std::size_t f) { return edited(f) * largest_mask((slopes(f) * edited(f)).abs(), 40); });
}

TEST_F(BaselinesTest, BottomRankRemovesTheLargestComponents) {
  auto const spectrum = std::make_shared<LayerSpectrum const>(weight());
  for (std::int64_t count : {1, 2, 5}) {
    expect_matrices(
        run(under({BaselineScore::bottom_rank, BaselineScope::fact, Fill::zero, static_cast<double>(count)}, 0, spectrum)),
        [&](std::size_t f) {
          auto const [left, values, right] = at::linalg_svd(edited(f), false);
          auto const rest = out - count;
          return at::matmul(left.narrow(1, count, rest) * values.narrow(0, count, rest), right.narrow(0, count, rest));
        });
  }
}

TEST_F(BaselinesTest, ShrunkMatrices) {
  expect_matrices(run(under({BaselineScore::shrink, BaselineScope::fact, Fill::zero, 0.3})),
                  [&](std::size_t f) { return 0.3 * edited(f); });
}

TEST_F(BaselinesTest, MatricesThatFactsShareAreChangedAlike) {
  auto const own = [&](Baseline const& baseline, std::int64_t zeros = 0) {
    return changed_matrix({baseline, zeros, 7}, weight(), edited(0));
  };
  EXPECT_TRUE(at::equal(own({BaselineScore::magnitude, BaselineScope::fact, Fill::original}, 50),
                        filled(Fill::original, largest_mask(edited(0).abs(), 50), weight(), edited(0))));
  EXPECT_TRUE(at::equal(own({BaselineScore::random, BaselineScope::fact}, 50), edited(0) * random_mask({out, in}, 50, 7)));
  EXPECT_LT(largest_difference(own({BaselineScore::shrink, BaselineScope::fact, Fill::zero, 0.5}), edited(0) / 2), 1e-6);
  auto const rest = own({BaselineScore::bottom_rank, BaselineScope::fact, Fill::zero, 2});
  auto const before = std::get<1>(at::linalg_svd(edited(0), false)), after = std::get<1>(at::linalg_svd(rest, false));
  EXPECT_LT(largest_difference(after.narrow(0, 0, out - 2), before.narrow(0, 2, out - 2)), 1e-4);
  EXPECT_LT(after[out - 1].item<double>(), 1e-4);
}

TEST_F(BaselinesTest, AMaskMayCoverTheChangeOrTheMatrixAlone) {
  auto const keep = random_tensor({out, in}, 5).gt(-0.8);
  auto const dense = [&](Cover cover, std::size_t f) {
    return cover == Cover::both    ? edited(f) * keep
           : cover == Cover::delta ? weight() + (edited(f) - weight()) * keep
                                   : weight() * keep + (edited(f) - weight());
  };
  for (auto const& [cover, name] : cover_names) {
    Condition condition{name, true, keep};
    condition.cover = cover;
    expect_matrices(run(condition), [&, cover = cover](std::size_t f) { return dense(cover, f); });
    auto const shared = masked_projections(*model_, {{1, edited(0)}}, {1}, keep, cover).at(1);
    EXPECT_LT(largest_difference(shared, dense(cover, 0)), 1e-6) << name;
  }
}

}  // namespace
}  // namespace onemask::test
