#include "support/tiny_families.hpp"
#include <onemask/model/pass.hpp>

#include <numeric>

#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using Rows = std::vector<std::vector<std::int64_t>>;

/// Residual streams after the last layer, one row at a time.
at::Tensor alone(CausalLM const& model, std::vector<std::int64_t> const& row) {
  auto const packed = pack_rows({row}, at::kCPU);
  Pass const pass(model, packed.layout);
  return pass.run(0, 2, pass.embed(packed.ids));
}

/// The same tests for all families.
class PassTest : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<CausalLM> const model_ = tiny_family(GetParam()).load();
  Rows const rows_{random_ids(7, 1), random_ids(1, 2), random_ids(12, 3), random_ids(4, 4)};
  c10::NoGradGuard const no_gradients_;
};

INSTANTIATE_TEST_SUITE_P(Families, PassTest, testing::ValuesIn(model_families()));

TEST_P(PassTest, PackedRowsEqualRowsAlone) {
  auto const packed = pack_rows(rows_, at::kCPU);
  Pass const pass(*model_, packed.layout);
  auto const together = pass.run(0, 2, pass.embed(packed.ids)).split_with_sizes(packed.layout.counts);
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    EXPECT_LT(largest_difference(together[row], alone(*model_, rows_[row])), 1e-5) << "row " << row;
  }
}

TEST_P(PassTest, LaterTokensDoNotChangeEarlierOnes) {
  auto row = rows_[2];
  auto const before = alone(*model_, row);
  row[9] = (row[9] + 1) % tiny_vocabulary;
  auto const after = alone(*model_, row);
  EXPECT_LT(largest_difference(before.narrow(0, 0, 9), after.narrow(0, 0, 9)), 1e-6);
  for (std::int64_t place : {9, 10, 11}) EXPECT_GT(largest_difference(before[place], after[place]), 1e-3) << place;
}

TEST_P(PassTest, EarlierTokensAndTheirOrderMatter) {
  auto row = rows_[2];
  auto const before = alone(*model_, row);
  std::swap(row[7], row[10]);  // near the end, where Mistral's window still sees them
  EXPECT_GT(largest_difference(before[11], alone(*model_, row)[11]), 1e-3);
}

TEST_P(PassTest, SuffixWithPastEqualsTheWhole) {
  auto const packed = pack_rows(rows_, at::kCPU);
  Pass const whole(*model_, packed.layout);
  auto const below = whole.run(0, 0, whole.embed(packed.ids));
  std::vector<KeyValue> seen;
  auto const top = whole.run(1, 2, below, &seen);

  std::vector<std::int64_t> const past{3, 0, 11, 2};  // a row without any past, and one of which a single token is left
  std::vector<std::vector<std::int64_t>> positions;
  std::vector<std::int64_t> tokens;
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    positions.emplace_back();
    for (auto place = past[row]; place < std::ssize(rows_[row]); ++place) {
      positions.back().push_back(place);
      tokens.push_back(packed.layout.token(static_cast<std::int64_t>(row), place));
    }
  }
  auto const index = index_tensor(tokens, at::kCPU);
  Pass const suffix(*model_, make_layout(positions, at::kCPU), make_past(packed.layout, seen, 1, past));
  auto const part = suffix.run(1, 2, below.index_select(0, index));
  EXPECT_LT(largest_difference(part, top.index_select(0, index)), 1e-5);
}

TEST_P(PassTest, WantedTokensAreAmongTheWhole) {
  auto const packed = pack_rows(rows_, at::kCPU);
  Pass const pass(*model_, packed.layout);
  auto const start = pass.embed(packed.ids);
  auto const wanted = want(packed.layout, {{0, 3, -1}, {-1}, {5}, {-2, -1}});
  EXPECT_TRUE(at::equal(wanted.tokens, at::tensor({0, 3, 6, 7, 13, 22, 23}, at::kLong)));
  for (int last : {0, 2}) {
    auto const some = pass.run(0, last, start, wanted.layout, wanted.tokens);
    EXPECT_LT(largest_difference(some, pass.run(0, last, start).index_select(0, wanted.tokens)), 1e-5) << "to layer " << last;
  }
  EXPECT_TRUE(at::equal(pass.run(3, 2, start, wanted.layout, wanted.tokens), start.index_select(0, wanted.tokens)));
}

TEST_P(PassTest, HalfwayAndFinishMakeALayer) {
  auto const packed = pack_rows(rows_, at::kCPU);
  Pass const pass(*model_, packed.layout);
  auto const start = pass.embed(packed.ids);
  auto const half = pass.halfway(0, start);
  EXPECT_EQ(half.key.size(1), model_->config().inner);
  EXPECT_TRUE(at::equal(pass.finish(0, half), pass.run(0, 0, start)));
}

TEST_P(PassTest, AttentionIsADistributionOverEarlierPlaces) {
  auto const packed = pack_rows(rows_, at::kCPU);
  Pass const pass(*model_, packed.layout);
  auto const start = pass.embed(packed.ids);
  auto const attention = pass.attention(0, start);
  EXPECT_EQ(attention.sizes(), (std::vector<std::int64_t>{4, model_->config().heads, 12, 12}));
  at::Tensor kept;
  auto const half = pass.halfway(0, start, nullptr, &kept);
  EXPECT_TRUE(at::equal(attention, kept));
  for (std::int64_t row = 0; row < 4; ++row) {
    auto const count = packed.layout.counts[static_cast<std::size_t>(row)];
    auto const own = attention[row].narrow(1, 0, count);
    EXPECT_LT(largest_difference(own.sum(2), at::ones({own.size(0), count})), 1e-5);
    EXPECT_EQ(own.triu(1).abs().max().item<double>(), 0) << "row " << row << " looks ahead";
  }
  auto const same = pass.halfway_with(0, start, attention);
  EXPECT_TRUE(at::equal(same.residual, half.residual));
  EXPECT_TRUE(at::equal(same.key, half.key));
}

TEST_P(PassTest, AttentionMayBeGiven) {
  auto const packed = pack_rows(rows_, at::kCPU);
  Pass const pass(*model_, packed.layout);
  auto const start = pass.embed(packed.ids);
  auto const first = at::zeros({4, model_->config().heads, 12, 12});
  first.select(3, 0).fill_(1);  // all look at their row's first place
  auto const half = pass.halfway_with(1, start, first);
  auto const values =
      model_->keys_values(1, model_->attention_input(1, start), packed.layout.positions).value.index_select(0, [&] {
        std::vector<std::int64_t> firsts;
        for (std::int64_t row = 0; row < 4; ++row) firsts.push_back(packed.layout.token(row, 0));
        return index_tensor(firsts, at::kCPU).index_select(0, packed.layout.row);
      }());
  auto const context = values.repeat_interleave(model_->config().heads / values.size(1), 1).flatten(1);
  EXPECT_LT(largest_difference(half.residual, start + model_->attention_output(1, context)), 1e-5);
}

/// What reads the residual stream as the head reads the final norm's result.
TEST_P(PassTest, FrozenNormsAreTransposedAtTheirOwnPoint) {
  auto const x = random_tensor({5, model_->config().hidden}, 31), readout = random_tensor({5, 2, model_->config().hidden}, 32);
  auto const check = [&](Norm const& norm, std::string const& which) {
    auto const frozen = norm.frozen_at(x);
    auto read = (frozen.transposed(readout) * x.unsqueeze(1)).sum(2);
    if (frozen.shift.defined()) read = read + at::matmul(readout, frozen.shift);
    EXPECT_LT(largest_difference(read, (readout * norm(x).unsqueeze(1)).sum(2)), 1e-4) << which;
  };
  check(model_->final_norm(), "final");
  check(model_->attention_norm(1), "behind attention");
  check(model_->mlp_norm(1), "behind the MLP");
  EXPECT_EQ(model_->attention_norm(1).scale.defined(), model_->config().mlp_norm);
}

TEST_P(PassTest, FactorsAndMaskEqualTheDenseProduct) {
  auto const projection = model_->projection(1);
  auto const out = projection.weight.size(0), in = projection.weight.size(1);
  auto const key = random_tensor({9, in}, 11);
  auto const edit = at::tensor({2, 0, 1, 1, 0, 2, 2, 0, 1}, at::kLong);
  auto const mask = at::sigmoid(random_tensor({out, in}, 12));
  for (std::int64_t rank : {1, 2}) {
    auto const left = random_tensor({3, rank, out}, 13), right = random_tensor({3, rank, in}, 14);
    for (auto const& m : {at::Tensor(), mask}) {
      auto const fast = project(projection, key, {left, right, edit, m});
      for (std::int64_t token = 0; token < 9; ++token) {
        auto const which = edit[token].item<std::int64_t>();
        auto weight = projection.weight + at::matmul(left[which].t(), right[which]);
        if (m.defined()) weight = weight * m;
        EXPECT_LT(largest_difference(fast[token], at::linear(key[token], weight, projection.bias)), 1e-4)
            << "rank " << rank << (m.defined() ? " with" : " without") << " mask, token " << token;
      }
    }
  }
  EXPECT_LT(largest_difference(project(projection, key, {{}, {}, {}, mask}),
                               at::linear(key, projection.weight * mask, projection.bias)),
            1e-5);
  EXPECT_TRUE(at::equal(project(projection, key), at::linear(key, projection.weight, projection.bias)));
}

TEST_P(PassTest, GradientOfTheMaskEqualsTheDenseOne) {
  auto const projection = model_->projection(1);
  auto const out = projection.weight.size(0), in = projection.weight.size(1);
  auto const key = random_tensor({5, in}, 21), left = random_tensor({2, 1, out}, 22), right = random_tensor({2, 1, in}, 23);
  auto const edit = at::tensor({0, 1, 1, 0, 1}, at::kLong), slope = random_tensor({5, out}, 24);
  auto const leaf = at::sigmoid(random_tensor({out, in}, 25)).requires_grad_(true);
  {
    c10::AutoGradMode const gradients(true);
    project(projection, key, {left, right, edit, leaf}).backward(slope);
  }
  auto expected = at::zeros({out, in});
  for (std::int64_t token = 0; token < 5; ++token) {
    auto const which = edit[token].item<std::int64_t>();
    expected += (projection.weight + at::outer(left[which][0], right[which][0])) * at::outer(slope[token], key[token]);
  }
  EXPECT_LT(largest_difference(leaf.grad(), expected), 1e-4);
}

TEST(LayoutTest, TwoRowsByHand) {
  auto const layout = make_layout({{0, 1, 2}, {4, 5}}, at::kCPU);
  EXPECT_EQ(layout.tokens, 5);
  EXPECT_EQ(layout.width, 3);
  EXPECT_EQ(layout.rows(), 2);
  EXPECT_TRUE(at::equal(layout.pad.slice(0, 0, 5), at::tensor({0, 1, 2, 3, 4}, at::kLong)));
  EXPECT_TRUE(at::equal(layout.unpad, at::tensor({0, 1, 2, 3, 4}, at::kLong)));
  EXPECT_TRUE(at::equal(layout.row, at::tensor({0, 0, 0, 1, 1}, at::kLong)));
  EXPECT_TRUE(at::equal(layout.positions, at::tensor({0, 1, 2, 4, 5}, at::kLong)));
  EXPECT_TRUE(at::equal(layout.padded_positions, at::tensor({0, 1, 2, 4, 5, -1}, at::kLong).view({2, 3})));
  EXPECT_EQ(layout.token(1, 0), 3);
  EXPECT_EQ(layout.token(1, -1), 4);
  EXPECT_EQ(layout.token(0, -2), 1);
}

TEST(LayoutTest, PackedIdsStandOneAfterTheOther) {
  auto const packed = pack_rows({{9, 8}, {7, 6, 5}}, at::kCPU);
  EXPECT_TRUE(at::equal(packed.ids, at::tensor({9, 8, 7, 6, 5}, at::kLong)));
  EXPECT_TRUE(at::equal(packed.layout.positions, at::tensor({0, 1, 0, 1, 2}, at::kLong)));
}

}  // namespace
}  // namespace onemask::test
