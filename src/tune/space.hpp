#pragma once

#include <onemask/checkpoint/config.hpp>
#include <onemask/settings/edit_hparams.hpp>

#include <string>
#include <vector>

namespace onemask {

/// A setting of the search for values with another value than the start has.
struct ChangedSetting {
  std::string key;  ///< in hparams files
  double value = 0;

  bool operator==(ChangedSetting const&) const = default;
};

/// Settings that are tried. Those that matter only after the search for values are the start's, until `solves_of`.
struct TuneCandidate {
  EditHparams hparams;
  std::vector<ChangedSetting> changed;  ///< from the start, but for the layers
};

/// Throws UserError for a method that has no search for values.
void require_tunable(EditMethod method);

/// The settings with layers in place of those of `usual_hparams`: the loss at the model's last layer, a window of usual length.
EditHparams for_model(EditHparams hparams, ModelConfig const& model);

/// The start with the layers that end with `last`, as many as the start has; fewer where the model begins.
EditHparams ending_at(EditHparams const& start, int last);
/// The start on these layers with some settings changed.
TuneCandidate candidate_at(EditHparams const& start, int last, std::vector<ChangedSetting> changed);

/// Changes of one setting of the search each, the most promising first.
std::vector<ChangedSetting> variations_of(EditHparams const& start);

/// Whether the method has settings that matter only after the search, so that trying them costs no search.
bool has_solve(EditMethod method);
/// The settings with several values of what matters only after the search: λ or its like over decades. One where nothing does.
std::vector<EditHparams> solves_of(EditHparams const& hparams);
/// The same near the best of them: λ by finer factors, AlphaEdit's ridge, and shorter and longer windows of layers, up
/// to `window`.
std::vector<EditHparams> finer_solves_of(EditHparams const& hparams, int window);

/// What may differ between candidates, as words of a sweep: "edit.layers=[4] edit.v_lr=0.5 …". Equal for equal settings only.
std::string name_of_settings(EditHparams const& hparams);
/// The keys in it, without "edit.".
std::vector<std::string> tuned_keys(EditMethod method);
/// The value of such a key, as hparams files have it.
std::string value_of_setting(EditHparams const& hparams, std::string const& key);

}  // namespace onemask
