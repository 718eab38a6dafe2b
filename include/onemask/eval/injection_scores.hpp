#pragma once

#include <onemask/data/counterfact.hpp>
#include <onemask/edit/edit.hpp>
#include <onemask/model/two_way.hpp>
#include <onemask/settings/injection_options.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace onemask {

/// The rewrite prompt of a fact that is edited under a mask.
struct InjectionScore {
  std::int64_t fact = 0;     ///< place among the facts that are scored together
  std::int64_t variant = 0;  ///< place among their variants
  std::int64_t tokens_true = 1, tokens_new = 1;
  double lp_true = 0, lp_new = 0;  ///< as in PromptMetrics
  /// Share of the new object's tokens that are the likeliest in their place, behind the ones before them (EasyEdit's
  /// rewrite_acc).
  double token_accuracy = 0;
  double update_norm = 0;  ///< Frobenius norm of ΔW; 0 of the unedited model

  bool operator==(InjectionScore const&) const = default;
};

/// The rewrite prompts of some facts, ready to be scored with their edits under any mask of the edited layer. What lies below it
/// is computed once. Model and facts must outlive it.
class RewritePrompts {
 public:
  RewritePrompts(CausalLM const& model, Tokenizer const& tokenizer, int layer, std::vector<Fact const*> const& facts,
                 bool leading_space);

  /// Without edits, under a model that differs in the edited layer's projection at most.
  std::vector<InjectionScore> score(CausalLM const& model) const { return rows({}, model); }
  /// Each fact with its own edit, whose norm is one of `norms`; `mask` [out, in], true = kept, is put on (W + ΔW); undefined: no
  /// mask. Facts whose edit failed are left out.
  std::vector<InjectionScore> score(std::vector<Edit> const& edits, std::vector<double> const& norms,
                                    at::Tensor const& mask) const;

 private:
  std::vector<InjectionScore> rows(EditedProjection const& change, CausalLM const& model) const;

  CausalLM const& model_;
  std::vector<TwoWayPrompt> prompts_;
  TwoWayBatch batch_;
};

/// A safetensors file with the rows.
std::string to_bytes(std::vector<InjectionScore> const& rows);
/// Throws UserError naming `source` when the bytes are not such rows.
std::vector<InjectionScore> injection_scores_from_bytes(std::string bytes, std::string const& source);

}  // namespace onemask
