#pragma once

#include <onemask/core/names.hpp>

#include <array>
#include <string>

namespace onemask {

/// What a model is scored as; in this order in tables. `dropped` is the unedited model with nothing but zeros in the edited
/// matrices, which is also what every edited model becomes without them. The three behind it are the baselines that are more than
/// a name (settings/baseline.hpp): entries pruned, the largest components removed, the matrix multiplied by a factor. `patched`
/// is one of these models with the attention of another (settings/attention_patch.hpp).
enum class ConditionKind {
  original,
  edited,
  mask,
  random,
  magnitude,
  delta_magnitude,
  original_masked,
  dropped,
  pruned,
  bottom_rank,
  shrunk,
  patched
};
inline constexpr std::array<Named<ConditionKind>, 12> condition_kind_names{{{ConditionKind::original, "original"},
                                                                            {ConditionKind::edited, "edited"},
                                                                            {ConditionKind::mask, "mask"},
                                                                            {ConditionKind::random, "random"},
                                                                            {ConditionKind::magnitude, "magnitude"},
                                                                            {ConditionKind::delta_magnitude, "delta_magnitude"},
                                                                            {ConditionKind::original_masked, "original_masked"},
                                                                            {ConditionKind::dropped, "dropped"},
                                                                            {ConditionKind::pruned, "pruned"},
                                                                            {ConditionKind::bottom_rank, "bottom_rank"},
                                                                            {ConditionKind::shrunk, "shrunk"},
                                                                            {ConditionKind::patched, "patched"}}};
/// Those that prune as many entries as the mask does.
inline constexpr std::array<Named<ConditionKind>, 3> baseline_names{condition_kind_names[3], condition_kind_names[4],
                                                                    condition_kind_names[5]};

/// What a mask M is put on: the edited matrix, (W + ΔW) ∘ M; the change alone, W + ΔW ∘ M; the matrix alone, W ∘ M + ΔW.
enum class Cover { both, delta, weight };
inline constexpr std::array<Named<Cover>, 3> cover_names{
    {{Cover::both, "both"}, {Cover::delta, "delta"}, {Cover::weight, "weight"}}};

/// Whether edits are in place, or for `patched` anywhere in what is scored.
inline bool is_edited(ConditionKind kind) {
  return kind != ConditionKind::original && kind != ConditionKind::original_masked && kind != ConditionKind::dropped;
}

/// Whether it is one of `baseline_names`.
inline bool is_shared_baseline(ConditionKind kind) {
  return kind == ConditionKind::random || kind == ConditionKind::magnitude || kind == ConditionKind::delta_magnitude;
}

inline std::string to_string(ConditionKind kind) {
  return name_of(condition_kind_names, kind);
}

}  // namespace onemask
