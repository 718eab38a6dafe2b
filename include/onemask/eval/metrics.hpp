#pragma once

#include <onemask/data/counterfact.hpp>
#include <onemask/edit/edit.hpp>
#include <onemask/mask/layer_spectrum.hpp>
#include <onemask/model/two_way.hpp>
#include <onemask/settings/attention_patch.hpp>
#include <onemask/settings/baseline.hpp>
#include <onemask/settings/prompt_kind.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace onemask {

/// A baseline of scope fact: each fact's own edited matrix is changed.
struct FactBaseline {
  Baseline what;
  std::int64_t zeros = 0;                              ///< pruned entries (pruned_entries); 0 where none are pruned
  std::uint64_t seed = 0;                              ///< of random
  std::shared_ptr<LayerSpectrum const> spectrum = {};  ///< for bottom_rank: of the unedited matrix, or of one that facts share
};

/// `edited`, a matrix [out, in] that facts share, under the baseline; `original` is the unedited one. For scores that need no
/// prompt.
at::Tensor changed_matrix(FactBaseline const& baseline, at::Tensor const& original, at::Tensor const& edited);

/// A model that facts are scored under.
struct Condition {
  std::string name;    ///< e.g. "original", "edited", "mask.seed=0", "random (mask.seed=0)"
  bool edited = true;  ///< with each fact's own edit in place
  at::Tensor keep;     ///< bool [out, in], false where the edited matrix is zeroed; undefined: no mask
  /// Makes the model where all facts share one: equal to the original below the edited layer, any edit and mask in place. Empty:
  /// the original with each fact's own edit and `keep`.
  std::function<std::unique_ptr<CausalLM>()> shared = {};
  Cover cover = Cover::both;             ///< what `keep` is put on
  std::optional<FactBaseline> own = {};  ///< changes each fact's edited matrix by itself; then there is no `keep`
  /// The model with the attention of another one; `keep` is the mask of the one that it calls `mask`, and `edited` is true.
  /// Prompts whose subject is not named have no scores where the patch is at the subject, and nothing is generated.
  std::optional<AttentionPatch> patch = {};
  /// Where all facts share one edited model: makes the patch's model of this kind, but for `original`.
  std::function<std::unique_ptr<CausalLM>(ConditionKind)> shared_of = {};
};

/// One prompt of one fact under one condition. The definitions, prompt by prompt:
///   lp_true, lp_new   log P of the whole object, " " + text, after the prompt (sum over its tokens)
///   RSR: lp_true > lp_new;  RSM: lp_true - lp_new  (restoration success and margin, arXiv 2605.28839)
///   kl                KL(original ‖ condition) of the next token's distribution
///   rank_true, rank_new  place of the object's first token in the next token's distribution, 1 = likeliest
///   overlap5 …        share of the original's 5 (10, 100) likeliest tokens that are among the condition's
///   acc_true, acc_new share of the object's tokens that no other token in their place exceeds, behind those before them (teacher
///                     forcing; that of the new object after an edit is EasyEdit's rewrite_acc)
///   gen_true, gen_new 1 where the model's own continuation of the rewrite prompt states the object, else 0
///   entropy           generation entropy of the fact's generation prompts and their continuations, in bits
struct PromptMetrics {
  std::int64_t fact = 0;  ///< place in the study
  std::int64_t condition = 0;
  std::int64_t prompt = 0;  ///< 0: rewrite prompt, 1 …: the others, kind after kind
  PromptKind kind = PromptKind::rewrite;
  std::int64_t tokens_true = 1, tokens_new = 1;  ///< lengths of the objects
  double lp_true = 0, lp_new = 0, kl = 0;
  std::int64_t rank_true = 0, rank_new = 0;
  std::int64_t top1 = 0;          ///< likeliest token
  std::int64_t top1_changed = 0;  ///< 1 when the original's likeliest token is another
  double overlap5 = 0, overlap10 = 0, overlap100 = 0;
  double acc_true = std::numeric_limits<double>::quiet_NaN();  ///< NaN where tokens are not scored
  double acc_new = std::numeric_limits<double>::quiet_NaN();
  /// NaN where nothing is generated, and for other prompts than the rewrite prompt.
  double gen_true = std::numeric_limits<double>::quiet_NaN(), gen_new = std::numeric_limits<double>::quiet_NaN();
  double entropy = std::numeric_limits<double>::quiet_NaN();
};

/// A fact to evaluate. Without an edit (a failed one) only unedited conditions are scored; an edit without factors stands for a
/// model that facts share.
struct EvaluationFact {
  std::int64_t index = 0;
  Fact const* fact = nullptr;
  Edit const* edit = nullptr;
};

struct EvaluationOptions {
  std::vector<PromptKind> kinds{PromptKind::rewrite, PromptKind::paraphrase};  ///< of prompts, rewrite first
  bool token_accuracy = false;
  std::int64_t generate = 0, entropy = 0;  ///< tokens, as in EvaluationPlan
  /// As in the published code: ranks and overlaps compare texts of tokens instead of tokens, among the 100 likeliest, and a rank
  /// is -1 where the object's text is not among them.
  bool compare_texts = false;
  /// As in the published code for GPT-2: prompts begin with a space.
  bool leading_space = false;
};

/// Facts made ready to be scored under any number of conditions: what lies below the edited layer, and the scores of the original
/// model, which the others are compared with, are computed once.
class FactScorer {
 public:
  /// Model and tokenizer must outlive the scorer.
  FactScorer(CausalLM const& model, Tokenizer const& tokenizer, int layer, std::vector<EvaluationFact> const& facts,
             EvaluationOptions const& options);
  ~FactScorer();
  FactScorer(FactScorer&&) noexcept;
  FactScorer& operator=(FactScorer&&) noexcept;

  /// All prompts of the facts under each condition, in one batch per condition.
  std::vector<PromptMetrics> score(std::vector<Condition> const& conditions) const;

 private:
  struct Part;
  void add_patched(Part const& part, std::vector<Condition> const& conditions, std::vector<PromptMetrics>& rows) const;

  CausalLM const* model_;
  Tokenizer const* tokenizer_;
  int layer_;
  bool compare_texts_;
  std::vector<Part> parts_;
};

/// The same for conditions that are all known at once.
std::vector<PromptMetrics> evaluate(CausalLM const& model, Tokenizer const& tokenizer, int layer,
                                    std::vector<EvaluationFact> const& facts, std::vector<Condition> const& conditions,
                                    EvaluationOptions const& options);

/// A safetensors file with the rows; their token accuracies and generation scores are in it where one has any.
std::string to_bytes(std::vector<PromptMetrics> const& rows);
/// Throws UserError naming `source` when the bytes are not such rows.
std::vector<PromptMetrics> metrics_from_bytes(std::string bytes, std::string const& source);

}  // namespace onemask
