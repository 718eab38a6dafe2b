#pragma once

#include <onemask/eval/metrics.hpp>
#include <onemask/model/greedy_batch.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace onemask {

/// Whether the object stands in the text as whole words, and begins before the text's first statement ends, which is with ". " or
/// a line.
bool states(std::string_view text, std::string_view object);

/// Generation entropy in bits (GE of ROME, arXiv 2202.05262, section 3.4, and MEMIT, there times 100): half of 2/3 of the entropy
/// of its pairs of words and 4/3 of that of its triples. Words are runs of letters and digits, and every other sign by itself but
/// for spaces.
double generation_entropy(std::string_view text);

/// What a model writes of a fact; NaN where it is not asked for.
struct GenerationScores {
  double gen_true, gen_new;  ///< 1 where what follows the rewrite prompt states the object, else 0
  double entropy;            ///< [bits] of the generation prompts with what follows them, mean
};

/// The prompts of some facts that are continued: the rewrite prompts, the generation prompts, or both.
class FactGenerator {
 public:
  /// Of the facts with the edits that they carry. Model and tokenizer must outlive this.
  FactGenerator(CausalLM const& model, Tokenizer const& tokenizer, int layer, std::vector<Fact const*> facts,
                std::vector<std::int64_t> const& edits, EvaluationOptions const& options);

  /// By fact, under a model as GreedyBatch::continued takes it.
  std::vector<GenerationScores> scores(ProjectionProduct const& product, CausalLM const& model) const;

 private:
  std::vector<std::string> texts(std::vector<std::vector<std::int64_t>> const& rows) const;

  Tokenizer const& tokenizer_;
  std::vector<Fact const*> facts_;
  std::int64_t generate_, entropy_;  ///< tokens; 0: not asked for
  std::optional<GreedyBatch> rewrites_, openings_;
};

}  // namespace onemask
