#include "support/accelerator_test.hpp"
#include "support/tiny_model.hpp"
#include "support/tiny_tokenizer.hpp"
#include <onemask/eval/metrics.hpp>

namespace onemask::test {
namespace {

using EvaluationOnGpu = AcceleratorTest;

// The CPU is the oracle for the GPU.
TEST_F(EvaluationOnGpu, GivesTheScoresOfTheCpuAndTheSameBitsAgain) {
  TemporaryFolder const folder;
  write_file_atomically(folder / "tokenizer.json", tiny_tokenizer().dump());
  auto const words = Tokenizer::open(folder.path());
  Fact fact;
  fact.prompt = "The tongue of {} is";
  fact.subject = "Bo";
  fact.target_true = "Welsh";
  fact.target_new = "Thai";
  fact.paraphrase_prompts = {"Bo speaks", "Bo, a native of"};
  Edit edit;
  edit.left = random_tensor({1, 16}, 3);
  edit.right = random_tensor({1, 64}, 4, 0.5);
  auto const keep = random_tensor({16, 64}, 5).gt(-0.8);
  std::vector<Condition> const conditions{{"original", false, {}}, {"edited", true, {}}, {"pruned", true, keep}};
  auto const scores = [&](CausalLM const& model) { return evaluate(model, words, 1, {{7, &fact, &edit}}, conditions, {}); };
  auto const expected = scores(*tiny_gpt2().load());
  auto const model = tiny_gpt2().load(at::kFloat, device());
  auto const got = scores(*model);
  ASSERT_EQ(got.size(), 9u);
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i].lp_true, expected[i].lp_true, 1e-4);
    EXPECT_NEAR(got[i].lp_new, expected[i].lp_new, 1e-4);
    EXPECT_NEAR(got[i].kl, expected[i].kl, 1e-4);
    EXPECT_EQ(got[i].rank_true, expected[i].rank_true);
    EXPECT_EQ(got[i].top1, expected[i].top1);
  }
  EXPECT_EQ(to_bytes(scores(*model)), to_bytes(got));
}

}  // namespace
}  // namespace onemask::test
