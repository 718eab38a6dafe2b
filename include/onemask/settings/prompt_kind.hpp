#pragma once

#include <onemask/core/names.hpp>

#include <array>
#include <cstdint>

namespace onemask {

/// What a prompt of a fact asks, as the column "kind" of the table "metrics" numbers it; in this order in a fact. Texts:
/// data/fact_prompts.hpp.
enum class PromptKind : std::int64_t {
  rewrite,       ///< for the fact's own object, as in the edit
  paraphrase,    ///< the same in other words
  neighborhood,  ///< for that of another subject which shares the true object, and which the edit should leave alone
  attribute,     ///< for that of another subject whose object is the new one by rights
  distract,      ///< the neighborhood, behind the statement of the edit
  rep,           ///< the rewrite prompt behind the repeated true object
  que            ///< the rewrite prompt behind the question whether the true object is right
};
inline constexpr std::array<Named<PromptKind>, 7> prompt_kind_names{{{PromptKind::rewrite, "rewrite"},
                                                                     {PromptKind::paraphrase, "paraphrase"},
                                                                     {PromptKind::neighborhood, "neighborhood"},
                                                                     {PromptKind::attribute, "attribute"},
                                                                     {PromptKind::distract, "distract"},
                                                                     {PromptKind::rep, "rep"},
                                                                     {PromptKind::que, "que"}}};
/// Those that evaluation.prompts may name.
inline constexpr std::array<Named<PromptKind>, 4> further_prompt_names{prompt_kind_names[3], prompt_kind_names[4],
                                                                       prompt_kind_names[5], prompt_kind_names[6]};

/// Whether the prompt asks for the object of the fact itself.
inline bool asks_own_object(PromptKind kind) {
  return kind == PromptKind::rewrite || kind == PromptKind::paraphrase || kind == PromptKind::rep || kind == PromptKind::que;
}

/// Whether the true object is the answer that the prompt's score wants, also of an edited model.
inline bool wants_true_object(PromptKind kind) {
  return kind == PromptKind::neighborhood || kind == PromptKind::distract;
}

}  // namespace onemask
