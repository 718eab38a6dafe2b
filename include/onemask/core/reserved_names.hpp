#pragma once

namespace onemask {

/// The split of the facts that are held back from training.
inline constexpr char const* validation_split = "validation";
/// Behind the name of a training split: its facts together with those held back from it.
inline constexpr char const* and_validation = "+validation";
/// In place of a split: models in which no fact is edited.
inline constexpr char const* every_split = "all";
/// In place of a relation: all of a split.
inline constexpr char const* every_relation = "all";

/// Begins the settings of a mask on other edits than those that it was trained on; the name of these follows.
inline constexpr char const* trained_on = "trained on ";

}  // namespace onemask
