#include "support/complaint.hpp"
#include "support/tiny_model.hpp"
#include <onemask/core/error.hpp>
#include <onemask/mask/shared_mask.hpp>

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::HasSubstr;

SharedMask example() {
  SharedMask mask;
  mask.layers = {5};
  mask.seed = 0xFEDCBA9876543210;
  mask.soft = at::sigmoid(random_tensor({4, 6}, 1));
  mask.epochs = {{1.5, 0.25, 1.0 / 3, 7, 0.5, 11}, {1, 0, 0, 1e-300, 1, 11}};
  mask.epochs[0].zeros[13] = 0.125;  // below 0.7
  return mask;
}

std::string complaint(std::string const& bytes) {
  return complaint_of([&] { shared_mask_from_bytes(bytes, "objects/cd"); });
}

TEST(SharedMaskTest, ThresholdsOfTheSoftMask) {
  SharedMask mask;
  mask.soft = at::tensor({0.2F, 0.5F, 0.75F, 0.9F}).view({2, 2});
  EXPECT_TRUE(at::equal(mask.keep(0.5), at::tensor({0, 1, 1, 1}).view({2, 2}).to(at::kBool)));  // the threshold itself is kept
  EXPECT_EQ(zeros_share(mask.keep(0.8)), 0.75);
}

TEST(SharedMaskTest, ExactSharesOfTheSoftMask) {
  SharedMask mask;
  mask.soft = at::tensor({0.2F, 0.5F, 0.5F, 0.9F, 0.5F, 0.1F, 0.7F, 1.0F}).view({4, 2});
  auto const kept = [&](double zeros) {
    MaskOptions options;
    options.zeros = zeros;
    return mask.keep(options);
  };
  auto const bits = [](std::vector<int> const& values) { return at::tensor(values).view({4, 2}).to(at::kBool); };
  EXPECT_TRUE(at::equal(kept(0.25), bits({0, 1, 1, 1, 1, 0, 1, 1})));
  EXPECT_TRUE(at::equal(kept(0.5), bits({0, 0, 0, 1, 1, 0, 1, 1})));  // of equal values the first ones
  EXPECT_TRUE(at::equal(kept(0.32), kept(0.375)));                    // 2.56 of 8 are 3
  EXPECT_TRUE(at::equal(kept(0.01), bits({1, 1, 1, 1, 1, 1, 1, 1})));
  EXPECT_TRUE(at::equal(mask.keep(MaskOptions()), mask.keep(0.7)));
  for (int k = 1; k < 8; ++k) EXPECT_EQ(zeros_share(kept(k / 8.0)), k / 8.0);
}

TEST(SharedMaskTest, ConsensusIsTheMean) {
  SharedMask a{{2}, 0, at::tensor({0.0F, 1.0F, 0.25F}).view({1, 3}), {}},
      b{{2}, 1, at::tensor({1.0F, 1.0F, 0.5F}).view({1, 3}), {}};
  auto const consensus = consensus_of({a, b});
  EXPECT_TRUE(at::equal(consensus.soft, at::tensor({0.5F, 1.0F, 0.375F}).view({1, 3})));
  EXPECT_EQ(consensus.layers, std::vector<int>{2});
  EXPECT_TRUE(at::equal(shared_mask_from_bytes(to_bytes(consensus), "bytes").soft, consensus.soft));
}

TEST(SharedMaskTest, BitsArePackedAndUnpacked) {
  for (std::int64_t columns : {1, 7, 8, 9}) {
    auto const keep = random_tensor({3, columns}, static_cast<std::uint64_t>(columns)) > 0;
    auto const bits = packed_bits(keep);
    EXPECT_EQ(bits.numel(), (3 * columns + 7) / 8);
    EXPECT_TRUE(at::equal(unpacked_bits(bits, keep.sizes()), keep)) << columns;
  }
}

TEST(SharedMaskTest, RoundTrip) {
  auto const mask = example();
  auto const back = shared_mask_from_bytes(to_bytes(mask), "bytes");
  EXPECT_EQ(back.layers, std::vector<int>{5});
  EXPECT_EQ(back.seed, mask.seed);
  EXPECT_TRUE(at::equal(back.soft, mask.soft));
  ASSERT_EQ(back.epochs.size(), 2U);
  EXPECT_EQ(back.epochs[0].restoration, 1.5);
  EXPECT_EQ(back.epochs[0].sparsity, 0.25);
  EXPECT_EQ(back.epochs[0].distillation, 1.0 / 3);
  EXPECT_EQ(back.epochs[0].gradient_norm, 7);
  EXPECT_EQ(back.epochs[0].validation_rsr, 0.5);
  EXPECT_EQ(back.epochs[0].validation_n, 11);
  EXPECT_EQ(back.epochs[0].zeros_below(0.7), 0.125);
  EXPECT_EQ(back.epochs[0].zeros_below(0.75), 0);
  EXPECT_TRUE(std::isnan(back.epochs[0].zeros_below(0.72)));
  EXPECT_EQ(back.epochs[1].gradient_norm, 1e-300);
  EXPECT_EQ(to_bytes(back), to_bytes(mask));
}

TEST(SharedMaskTest, CutAnywhere) {
  auto const good = to_bytes(example());
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_THAT(complaint(good.substr(0, size)), HasSubstr("objects/cd")) << size;
}

TEST(SharedMaskTest, OtherFiles) {
  std::string const facts = R"({"layers": [1], "seed": 2, "epochs": []})";
  EXPECT_EQ(complaint(write_safetensors({{"soft", at::zeros({2, 2})}}, {{"mask", facts}})), "");
  EXPECT_THAT(complaint(write_safetensors({{"soft", at::zeros({2, 2})}}, {})), HasSubstr("objects/cd"));
  EXPECT_THAT(complaint(write_safetensors({}, {{"mask", facts}})), HasSubstr("objects/cd"));
  EXPECT_THAT(complaint(write_safetensors({{"soft", at::zeros({4})}}, {{"mask", facts}})), HasSubstr("objects/cd"));
  EXPECT_THAT(complaint(write_safetensors({{"soft", at::zeros({2, 2}, at::kDouble)}}, {{"mask", facts}})),
              HasSubstr("objects/cd"));
  for (auto const* text : {"", "{", "[]", "3", "{}", R"({"layers": "x", "seed": 1, "epochs": []})",
                           R"({"layers": [1], "seed": 1, "epochs": [{}]})", R"({"layers": [1], "seed": 1, "epochs": 3})"}) {
    EXPECT_THAT(complaint(write_safetensors({{"soft", at::zeros({2, 2})}}, {{"mask", text}})), HasSubstr("objects/cd")) << text;
  }
}

}  // namespace
}  // namespace onemask::test
