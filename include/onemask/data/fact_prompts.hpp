#pragma once

#include <onemask/data/counterfact.hpp>
#include <onemask/settings/prompt_kind.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace onemask {

/// The prompts of a kind that a fact has, in the order in which they are scored. Of `distract`, each is the statement of the edit
/// and a neighborhood prompt (arXiv 2502.14838; Hoelscher-Obermaier et al., arXiv 2305.17553). Of `rep`, the true
/// object stands five times before the rewrite prompt, and of `que` the rewrite prompt with the true object as a question
/// (Rep(o) and Que(o), arXiv 2505.12636).
std::vector<std::string> fact_prompts(Fact const& fact, PromptKind kind);

/// Where the fact's subject ends in one of these prompts [bytes], at its last mention; nothing where the prompt asks for another
/// fact or does not name the subject.
std::optional<std::size_t> subject_end(Fact const& fact, PromptKind kind, std::string const& prompt);

/// How many there are.
std::size_t count_prompts(Fact const& fact, PromptKind kind);

}  // namespace onemask
