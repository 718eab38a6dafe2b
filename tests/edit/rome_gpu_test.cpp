#include "support/accelerator_test.hpp"
#include "support/tiny_families.hpp"
#include <onemask/edit/rome.hpp>

namespace onemask::test {
namespace {

using RomeOnGpu = AcceleratorTest;

// The CPU is the oracle for the GPU.
TEST_F(RomeOnGpu, GivesTheEditsOfTheCpuAndTheSameBitsAgain) {
  EditHparams hparams;
  hparams.layers = {1};
  hparams.v_loss_layer = 2;
  std::vector<EditRequest> const requests{{1, {7, 9}, {{{3, 4, 5, 6, 7}, 2}, {{8, 3, 4, 5, 6, 7}, 3}}, {{5, 20, 21}, 0}, "a"},
                                          {2, {11}, {{{30, 31, 32}, 1}, {{8, 30, 31, 32}, 2}}, {{31, 20, 21}, 0}, "b"}};
  for (auto const* family : {"gpt2", "gemma2", "gpt_neox"}) {
    SCOPED_TRACE(family);
    auto const tiny = tiny_family(family);
    auto const cpu = tiny.load(), gpu = tiny.load(at::kFloat, device());
    auto const expected = rome(*cpu, requests, hparams), got = rome(*gpu, requests, hparams),
               again = rome(*gpu, requests, hparams);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      EXPECT_LT(largest_difference(got[i].edit.left, expected[i].edit.left), 1e-3);
      EXPECT_LT(largest_difference(got[i].edit.right, expected[i].edit.right), 1e-3);
      EXPECT_EQ(to_bytes(again[i].edit), to_bytes(got[i].edit));
    }
  }
}

}  // namespace
}  // namespace onemask::test
