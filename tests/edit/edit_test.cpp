#include "support/complaint.hpp"
#include "support/tiny_model.hpp"
#include <onemask/core/error.hpp>
#include <onemask/edit/edit.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::HasSubstr;

Edit example() {
  Edit edit;
  edit.case_id = 12345678901234;
  edit.layer = 17;
  edit.left = random_tensor({1, 5}, 1);
  edit.right = random_tensor({1, 7}, 2);
  edit.steps = 20;
  edit.loss = 0.1;
  edit.p_new = 1.0 / 3;
  edit.delta_norm = 2.5;
  edit.value_norm = 1e-30;
  return edit;
}

std::string complaint(std::string const& bytes) {
  return complaint_of([&] { edit_from_bytes(bytes, "objects/ab"); });
}

TEST(EditBytes, RoundTrip) {
  auto const edit = example();
  auto const back = edit_from_bytes(to_bytes(edit), "bytes");
  EXPECT_EQ(back.case_id, edit.case_id);
  EXPECT_EQ(back.layer, edit.layer);
  EXPECT_TRUE(at::equal(back.left, edit.left));
  EXPECT_TRUE(at::equal(back.right, edit.right));
  EXPECT_EQ(back.steps, edit.steps);
  EXPECT_EQ(back.loss, edit.loss);
  EXPECT_EQ(back.p_new, edit.p_new);
  EXPECT_EQ(back.delta_norm, edit.delta_norm);
  EXPECT_EQ(back.value_norm, edit.value_norm);
  EXPECT_EQ(back.failure, "");
  EXPECT_EQ(to_bytes(back), to_bytes(edit));
}

TEST(EditBytes, AFailedEditHasNoFactors) {
  Edit edit;
  edit.case_id = 3;
  edit.loss = std::numeric_limits<double>::quiet_NaN();
  edit.failure = "the loss is not finite in step 2";
  auto const back = edit_from_bytes(to_bytes(edit), "bytes");
  EXPECT_EQ(back.case_id, 3);
  EXPECT_EQ(back.failure, edit.failure);
  EXPECT_FALSE(back.left.defined());
}

TEST(EditBytes, CutAnywhere) {
  auto const good = to_bytes(example());
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_THAT(complaint(good.substr(0, size)), HasSubstr("objects/ab")) << size;
}

TEST(EditBytes, OtherFiles) {
  auto const left = at::zeros({1, 5}), right = at::zeros({1, 7});
  std::string const facts =
      R"({"case_id": 1, "layer": 2, "steps": 3, "loss": 0.5, "p_new": 0.5, "delta_norm": 1, "value_norm": 1, "failure": ""})";
  EXPECT_EQ(complaint(write_safetensors({{"left", left}, {"right", right}}, {{"edit", facts}})), "");
  std::map<std::string, at::Tensor> const none;
  for (auto const& tensors : {none,
                              {{"left", left}},
                              {{"left", left}, {"right", at::zeros({2, 7})}},
                              {{"left", left}, {"right", at::zeros({7})}},
                              {{"left", left}, {"right", at::zeros({1, 7}, at::kDouble)}}}) {
    EXPECT_THAT(complaint(write_safetensors(tensors, {{"edit", facts}})), HasSubstr("objects/ab"));
  }
  EXPECT_THAT(complaint(write_safetensors({{"left", left}, {"right", right}}, {})), HasSubstr("objects/ab"));
  for (auto const* text : {"", "{", "[]", "7", "{}", R"({"case_id": "x"})"}) {
    EXPECT_THAT(complaint(write_safetensors({{"left", left}, {"right", right}}, {{"edit", text}})), HasSubstr("objects/ab"))
        << text;
  }
}

}  // namespace
}  // namespace onemask::test
