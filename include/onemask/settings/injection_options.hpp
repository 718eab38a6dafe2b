#pragma once

#include <onemask/settings/condition_kind.hpp>
#include <onemask/settings/field.hpp>

#include <array>
#include <string>
#include <vector>

namespace onemask {

/// What a fact is scored under, where it is edited under a mask M: ΔW is found in the model with W ∘ M.
///   inject    (W + ΔW) ∘ M
///   off       W + ΔW, the same ΔW
///   adaptive  W ∘ M + ΔW', where ΔW' meets the same value through entries that M keeps
/// The first two are what they are compared with: the unedited model, under M where there is one, and the usual edit without M.
enum class InjectionVariant { unedited, edit, inject, off, adaptive };
inline constexpr std::array<Named<InjectionVariant>, 5> injection_variant_names{{{InjectionVariant::unedited, "unedited"},
                                                                                 {InjectionVariant::edit, "edit"},
                                                                                 {InjectionVariant::inject, "inject"},
                                                                                 {InjectionVariant::off, "off"},
                                                                                 {InjectionVariant::adaptive, "adaptive"}}};
/// Those that a study chooses among.
inline constexpr std::array<Named<InjectionVariant>, 3> asked_variant_names{
    injection_variant_names[2], injection_variant_names[3], injection_variant_names[4]};

/// The masks that facts are edited under; the baselines have as many zeros as the trained mask.
inline constexpr std::array<Named<ConditionKind>, 4> injection_mask_names{{{ConditionKind::mask, "trained"},
                                                                           {ConditionKind::random, "random"},
                                                                           {ConditionKind::magnitude, "magnitude"},
                                                                           {ConditionKind::delta_magnitude, "delta_magnitude"}}};

/// Facts that are edited under a mask, to see whether the mask prevents editing.
struct InjectionOptions {
  std::vector<ConditionKind> masks = {ConditionKind::mask, ConditionKind::random, ConditionKind::magnitude,
                                      ConditionKind::delta_magnitude};
  std::string split = "heldout";
  std::vector<InjectionVariant> variants = {InjectionVariant::inject, InjectionVariant::off, InjectionVariant::adaptive};
  bool sequential = false;  ///< as well with all edits of the split in one model, each scored after its own edit
};

template <>
Fields<InjectionOptions> const& fields_of<InjectionOptions>();

}  // namespace onemask
