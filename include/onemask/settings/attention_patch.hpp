#pragma once

#include <onemask/settings/condition_kind.hpp>

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace onemask {

/// Which attention probabilities of a model are another's: all of them; those of the query at the prompt's last token; of these
/// the one on the subject's last token alone.
enum class PatchPlace { all, last, subject };
inline constexpr std::array<Named<PatchPlace>, 3> patch_place_names{
    {{PatchPlace::all, "all"}, {PatchPlace::last, "last"}, {PatchPlace::subject, "subject"}}};

/// The models that attention is exchanged between: the unedited one, the edited one, and that under a mask.
inline constexpr std::array<Named<ConditionKind>, 3> patch_model_names{condition_kind_names[0], condition_kind_names[1],
                                                                       condition_kind_names[2]};

/// A model that attends with the probabilities of another one in all layers above the edited one (activation patching; the test
/// of overattention, arXiv 2605.28839). Two different models of `patch_model_names`.
struct AttentionPatch {
  ConditionKind model = ConditionKind::edited;
  ConditionKind attention = ConditionKind::original;  ///< whose attention it takes
  PatchPlace at = PatchPlace::all;

  bool operator==(AttentionPatch const&) const = default;
};

/// Whether one of the two is under a mask.
inline bool belongs_to_mask(AttentionPatch const& patch) {
  return patch.model == ConditionKind::mask || patch.attention == ConditionKind::mask;
}

/// As studies, tables and comparisons name it: "edited+attention(original)", "edited+attention(original) at last".
std::string describe(AttentionPatch const& patch);
/// The patch of this name; nothing where there is none.
std::optional<AttentionPatch> patch_of(std::string const& name);
/// The names of all.
std::vector<std::string> patch_names();

class YamlValue;
/// Sets the patches that a list names. What is wrong as the end of a sentence.
std::string read_patches(std::vector<AttentionPatch>& patches, YamlValue const& value);

}  // namespace onemask
