#include "support/pretend_fixture.hpp"
#include "support/tiny_model.hpp"
#include "support/tiny_tokenizer.hpp"
#include <onemask/eval/metrics.hpp>

namespace onemask::test {
namespace {

using EvaluationWaits = PretendDeviceTest;

TEST_F(EvaluationWaits, PerConditionWhateverTheNumberOfFacts) {
  TemporaryFolder const folder;
  write_file_atomically(folder / "tokenizer.json", tiny_tokenizer({}).dump());
  auto const words = Tokenizer::open(folder.path());
  auto const model = tiny_gpt2().load(at::kFloat, first);
  Fact fact;
  fact.prompt = "The tongue of {} is";
  fact.subject = "Bo";
  fact.target_true = "Welsh";
  fact.target_new = "Thai";
  Edit edit;
  edit.left = random_tensor({1, 16}, 3);
  edit.right = random_tensor({1, 64}, 4, 0.5);
  for (std::int64_t const count : {1, 5}) {
    std::vector<EvaluationFact> facts;
    for (std::int64_t i = 0; i < count; ++i) facts.push_back({i, &fact, &edit});
    FactScorer const scorer(*model, words, 1, facts, {});
    Condition const condition{"edited", true, {}};
    auto const one = counts_of([&] { scorer.score({condition}); }), two = counts_of([&] {
                                                                      scorer.score({condition, condition});
                                                                    });
    EXPECT_EQ(two.scalars, 0);
    EXPECT_EQ(two.synchronisations() - one.synchronisations(), 2) << count;
  }
}

}  // namespace
}  // namespace onemask::test
