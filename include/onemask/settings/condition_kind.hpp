#pragma once

#include <onemask/core/names.hpp>

#include <array>
#include <string>

namespace onemask {

/// What a model is scored as; in this order in tables. `dropped` is the unedited model with nothing but zeros in the edited
/// matrices, which is also what every edited model becomes without them.
enum class ConditionKind { original, edited, mask, random, magnitude, delta_magnitude, original_masked, dropped };
inline constexpr std::array<Named<ConditionKind>, 8> condition_kind_names{{{ConditionKind::original, "original"},
                                                                           {ConditionKind::edited, "edited"},
                                                                           {ConditionKind::mask, "mask"},
                                                                           {ConditionKind::random, "random"},
                                                                           {ConditionKind::magnitude, "magnitude"},
                                                                           {ConditionKind::delta_magnitude, "delta_magnitude"},
                                                                           {ConditionKind::original_masked, "original_masked"},
                                                                           {ConditionKind::dropped, "dropped"}}};
/// Those that prune as many entries as the mask does.
inline constexpr std::array<Named<ConditionKind>, 3> baseline_names{condition_kind_names[3], condition_kind_names[4],
                                                                    condition_kind_names[5]};

/// Whether edits are in place.
inline bool is_edited(ConditionKind kind) {
  return kind != ConditionKind::original && kind != ConditionKind::original_masked && kind != ConditionKind::dropped;
}

inline std::string to_string(ConditionKind kind) {
  return name_of(condition_kind_names, kind);
}

}  // namespace onemask
