#include "support/complaint.hpp"
#include "support/tiny_model.hpp"
#include <onemask/core/error.hpp>
#include <onemask/model/pass.hpp>
#include <onemask/moments/second_moment.hpp>

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

TEST(VisitKeys, GivesTheInputOfEveryProjection) {
  for (auto const& checkpoint : {tiny_gpt2(), tiny_llama()}) {
    auto const model = checkpoint.load();
    auto const rows = pack_rows({random_ids(7, 1), random_ids(3, 2)}, at::kCPU);
    std::vector<int> seen;
    std::vector<int> const layers{0, 2};
    visit_keys(*model, rows, layers, [&](int layer, at::Tensor const& keys) {
      seen.push_back(layer);
      Pass const pass(*model, rows.layout);
      auto const residual = pass.run(0, layer - 1, pass.embed(rows.ids));
      EXPECT_TRUE(keys.equal(pass.halfway(layer, residual).key));
      EXPECT_EQ(keys.sizes(), (at::IntArrayRef{10, model->config().inner}));
    });
    EXPECT_EQ(seen, layers);
  }
}

TEST(VisitKeys, StopsAtTheLastLayerBeforeItsProjection) {
  // A pass that went on would meet weights that are not numbers; nothing it gives shows them.
  auto checkpoint = tiny_gpt2();
  checkpoint.tensors["transformer.h.1.mlp.c_proj.weight"].fill_(not_a_number);
  auto const model = checkpoint.load();
  std::vector<int> const layers{1}, above{2};
  bool finite = false;
  auto const take = [&](int, at::Tensor const& keys) { finite = keys.isfinite().all().item<bool>(); };
  visit_keys(*model, pack_rows({random_ids(5, 1)}, at::kCPU), layers, take);
  EXPECT_TRUE(finite);
  visit_keys(*model, pack_rows({random_ids(5, 1)}, at::kCPU), above, take);
  EXPECT_FALSE(finite);
}

TEST(MomentSum, ByHand) {
  // Two tokens (1, 2) and (3, -1): the sum of x xᵀ is [[10, -1], [-1, 5]].
  auto const keys = at::tensor({1.f, 2.f, 3.f, -1.f}).view({2, 2});
  EXPECT_EQ(MomentSum::suitable_exponent(keys), 3 - 22);  // the largest mean square is 5, below 2^3
  MomentSum sum(2, MomentSum::suitable_exponent(keys), at::kCPU);
  sum.add(keys);
  EXPECT_EQ(sum.integers()[0][0].item<std::int64_t>(), std::int64_t{10} << 19);
  EXPECT_EQ(sum.integers()[0][1].item<std::int64_t>(), -(std::int64_t{1} << 19));
  EXPECT_TRUE(sum.mean(2).equal(at::tensor({5.f, -0.5f, -0.5f, 2.5f}).view({2, 2})));
  sum.add(keys);
  EXPECT_TRUE(sum.mean(4).equal(at::tensor({5.f, -0.5f, -0.5f, 2.5f}).view({2, 2})));
  sum.clear();
  EXPECT_TRUE(sum.mean(1).eq(0).all().item<bool>());
}

TEST(MomentSum, ManyBlocksAgreeWithFloat64) {
  auto const keys = random_tensor({50, 600}, 1);  // three blocks of rows
  MomentSum sum(600, MomentSum::suitable_exponent(keys), at::kCPU);
  for (int part = 0; part < 5; ++part) sum.add(keys.narrow(0, 10 * part, 10));
  auto const x = keys.to(at::kDouble);
  auto const mean = sum.mean(50);
  EXPECT_TRUE(mean.equal(mean.t()));
  EXPECT_LT(largest_difference(mean, at::mm(x.t(), x) / 50), 1e-6);
}

TEST(MomentSum, OrderDoesNotMatter) {
  auto const keys = random_tensor({40, 30}, 2);
  auto const exponent = MomentSum::suitable_exponent(keys.narrow(0, 0, 3));
  MomentSum forth(30, exponent, at::kCPU), back(30, exponent, at::kCPU);
  for (int part = 0; part < 8; ++part) {
    forth.add(keys.narrow(0, 5 * part, 5));
    back.add(keys.narrow(0, 5 * (7 - part), 5));
  }
  EXPECT_TRUE(forth.mean(40).equal(back.mean(40)));
  EXPECT_EQ(forth.bound(), back.bound());
}

TEST(MomentSum, ExponentsOfExtremeKeys) {
  EXPECT_EQ(MomentSum::suitable_exponent(at::zeros({3, 2})), -22);
  EXPECT_EQ(MomentSum::suitable_exponent(at::full({1, 2}, 2.f)), 2 - 22);  // a power of two itself
  EXPECT_EQ(MomentSum::suitable_exponent(at::full({1, 2}, 1e-19f)), -120);
  EXPECT_THROW(MomentSum::suitable_exponent(at::full({1, 2}, not_a_number)), RunError);
  MomentSum zeros(2, -22, at::kCPU);
  zeros.add(at::zeros({3, 2}));
  EXPECT_TRUE(zeros.mean(3).eq(0).all().item<bool>());
}

TEST(MomentSum, RefusesWhatItCannotSum) {
  MomentSum sum(2, -22, at::kCPU);
  EXPECT_THROW(sum.add(at::full({1, 2}, not_a_number)), RunError);
  EXPECT_THROW(sum.add(at::full({1, 2}, 1e30f)), RunError);      // its square is infinite
  EXPECT_THROW(sum.add(at::full({1, 2}, 0x1p20f)), RunError);    // 2^40 · 2^22 is 2^62
  EXPECT_NO_THROW(sum.add(at::full({1, 2}, 0x1.8p19f)));         // 0.5625 · 2^62
  EXPECT_THROW(sum.add(at::full({1, 2}, 0x1.8p19f)), RunError);  // twice that
  EXPECT_THROW(sum.set_bound(std::int64_t{1} << 42), RunError);
}

TEST(SecondMoment, BytesRoundTrip) {
  SecondMoment const moment{3, 77, random_tensor({4, 4}, 1), "model", {{38, 0.5}, {77, 0.25}}};
  auto const read = second_moment_from_bytes(to_bytes(moment), "object");
  EXPECT_EQ(read.layer, 3);
  EXPECT_EQ(read.tokens, 77);
  EXPECT_EQ(read.model, "model");
  EXPECT_TRUE(read.matrix.equal(moment.matrix));
  ASSERT_EQ(read.convergence.size(), 2u);
  EXPECT_EQ(read.convergence[1].tokens, 77);
  EXPECT_EQ(read.convergence[1].change, 0.25);
  EXPECT_EQ(to_bytes(read), to_bytes(moment));
  EXPECT_EQ(read.made_by, "");
  auto exported = moment;
  exported.made_by = "one machine\nanother";
  EXPECT_EQ(second_moment_from_bytes(to_bytes(exported), "object").made_by, exported.made_by);
}

TEST(SecondMoment, DamagedBytesAreRefused) {
  auto const refused = [](std::string bytes) { EXPECT_THROW(second_moment_from_bytes(std::move(bytes), "object"), UserError); };
  auto const facts = R"({"layer": 1, "tokens": 2, "model": "m", "convergence": []})";
  EXPECT_NO_THROW(second_moment_from_bytes(write_safetensors({{"matrix", at::eye(2)}}, {{"second_moment", facts}}), "object"));
  auto const with_maker = [](std::size_t bytes) {
    SecondMoment moment{1, 2, at::eye(2), "m", {}};
    moment.made_by.assign(bytes, 'x');
    return to_bytes(moment);
  };
  EXPECT_NO_THROW(second_moment_from_bytes(with_maker(10'000), "object"));
  refused(with_maker(10'001));
  refused("");
  refused(write_safetensors({{"matrix", at::eye(2)}}, {}));
  refused(write_safetensors({{"matrix", at::eye(2)}}, {{"second_moment", "{}"}}));
  refused(write_safetensors({{"other", at::eye(2)}}, {{"second_moment", facts}}));
  refused(write_safetensors({{"matrix", at::ones({2, 3})}}, {{"second_moment", facts}}));
  refused(write_safetensors({{"matrix", at::eye(2).to(at::kDouble)}}, {{"second_moment", facts}}));
  auto const bytes = to_bytes({3, 77, at::eye(4), "model", {}});
  for (std::size_t length = 0; length < bytes.size(); length += 7) refused(bytes.substr(0, length));
}

TEST(SecondMoment, TellsItsShape) {
  SecondMoment const moment{3, 3, at::diag(at::tensor({1.f, 8.f, 2.f, 4.f})), "model", {}};
  EXPECT_EQ(trace(moment), 15);
  EXPECT_EQ(least_condition(moment), 8);
  try {
    require_enough_tokens(moment, "MEMIT");
    FAIL() << "3 tokens cannot give a matrix of rank 4";
  } catch (UserError const& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("MEMIT"), HasSubstr("layer 3"), HasSubstr("3 tokens"), HasSubstr("at least 4")));
  }
  auto enough = moment;
  enough.tokens = 4;
  EXPECT_NO_THROW(require_enough_tokens(enough, "MEMIT"));
}

TEST(ImportSecondMoment, OwnExportsMustFit) {
  auto const model = tiny_gpt2().load();
  TemporaryFolder const folder;
  auto const refusal = [&](SecondMoment const& moment, int layer) -> std::string {
    write_file_atomically(folder / "m.safetensors", to_bytes(moment));
    return complaint_of([&] { import_second_moment(folder / "m.safetensors", *model, layer); });
  };
  SecondMoment const good{1, 99, at::eye(64), model->fingerprint(), {}};
  EXPECT_EQ(refusal(good, 1), "");
  EXPECT_THAT(refusal(good, 2), AllOf(HasSubstr("layer 1"), HasSubstr("layer 2")));
  auto other = good;
  other.model = "0123456789abcdef";
  EXPECT_THAT(refusal(other, 1), HasSubstr("0123456789ab"));
  auto small = good;
  small.matrix = at::eye(8);
  EXPECT_THAT(refusal(small, 1), AllOf(HasSubstr("[8, 8]"), HasSubstr("[64, 64]")));
  auto crooked = good;
  crooked.matrix = at::eye(64);
  crooked.matrix[0][5] = 3;
  EXPECT_THAT(refusal(crooked, 1), HasSubstr("not symmetric"));
  EXPECT_THROW(import_second_moment(folder / "absent", *model, 1), UserError);
  EXPECT_THROW(import_second_moment(folder.path(), *model, 1), UserError);
}

}  // namespace
}  // namespace onemask::test
