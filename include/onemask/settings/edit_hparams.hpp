#pragma once

#include <onemask/core/names.hpp>
#include <onemask/settings/field.hpp>

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace onemask {

enum class EditMethod {
  rome,    ///< one fact, one layer, rank one (Meng et al. 2022, arXiv 2202.05262)
  r_rome,  ///< ROME with the averaged key on both sides (Gupta et al. 2024, arXiv 2403.07175), which does not break the model
  memit,   ///< many facts spread over several layers (Meng et al. 2023, arXiv 2210.07229)
  memit_merge,  ///< MEMIT with one common value for facts that share a subject (arXiv 2502.07322)
  emmet,        ///< many facts under an equality constraint (Gupta et al. 2024, arXiv 2403.14236)
  alphaedit,    ///< many facts within the null space of the preserved keys (Fang et al. 2024, arXiv 2410.02355)
  ft_l,         ///< gradient descent on one matrix, every entry kept near its old value (Zhu et al. 2020, arXiv 2012.00363)
  imported      ///< finished edits of other tools are read from files; no setting of a method is used
};

/// Those that a study chooses from; edits are imported where it names their files.

inline constexpr std::array<Named<EditMethod>, 7> edit_method_names{{{EditMethod::rome, "rome"},
                                                                     {EditMethod::r_rome, "r-rome"},
                                                                     {EditMethod::memit, "memit"},
                                                                     {EditMethod::memit_merge, "memit-merge"},
                                                                     {EditMethod::emmet, "emmet"},
                                                                     {EditMethod::alphaedit, "alphaedit"},
                                                                     {EditMethod::ft_l, "ft-l"}}};

/// Settings of an editing method, named as in the hparams files of EasyEdit.
struct EditHparams {
  EditMethod method = EditMethod::rome;
  std::vector<int> layers = {0};            ///< the edited ones, ascending; exactly one for ROME and FT-L
  std::string fact_token = "subject_last";  ///< or "last": the prompt's last token

  // The search for a fact's value; not for FT-L.
  int v_num_grad_steps = 20;     ///< forward passes; one fewer Adam steps
  double v_lr = 0.5;             ///< learning rate of Adam for the value
  int v_loss_layer = 0;          ///< the layer whose output is unembedded for the loss
  double v_weight_decay = 0.5;   ///< times |delta| / |v0|^2
  double clamp_norm_factor = 4;  ///< |delta| stays under this times |v0|
  double kl_factor = 0.0625;     ///< weight of the essence drift term
  bool mom2_adjustment = false;  ///< ROME: the key is multiplied by the inverse second moment of keys

  // The solve for many facts.
  double mom2_update_weight = 15000;  ///< MEMIT: weight of the preserved keys' second moment; EMMET: scale of it
  double emmet_lambda = 0.1;          ///< EMMET: added to the diagonal where several keys must be met at once; 0: exactly met
  double nullspace_threshold = 0.02;  ///< AlphaEdit: eigenvalues of the second moment below it span the null space
  double l2 = 10;                     ///< AlphaEdit: ridge of the solve

  // FT-L.
  int num_steps = 25;                                 ///< forward passes at most
  double lr = 5e-4;                                   ///< learning rate of Adam for the matrix
  double weight_decay = 0;                            ///< of Adam
  double norm_constraint = 5e-4;                      ///< no entry moves farther; 0: no constraint
  std::string objective_optimization = "target_new";  ///< or "prompt_last": the object's tokens all behind the bare prompt

  /// FT-L: facts per step of the optimizer, in order; 0: all. In files of other methods for many facts: facts per model.
  int batch_size = 0;

  /// Sampled contexts: pairs of a length [tokens] and a count.
  std::vector<std::pair<int, int>> context_template_length_params = {{5, 10}, {10, 10}};

  std::string module = {};  ///< last part of the edited matrix' name, such as "c_proj", where a file says it; else empty

  /// The highest edited layer, where values are searched for.
  int layer() const { return layers.back(); }
};

/// Whether the method writes many facts into one model; otherwise every fact has an edited model of its own. Of imported edits
/// their files say it.
bool edits_in_batches(EditMethod method);
/// Whether it searches a value for every fact, behind context templates.
bool searches_values(EditMethod method);
/// Whether it needs second moments of keys.
bool needs_moments(EditHparams const& hparams);

/// Reads a hparams file of EasyEdit, ROME or MEMIT, unchanged. Its alg_name says the method: ROME, R-ROME, MEMIT, MEMIT-merge,
/// EMMET, AlphaEdit or FT. Where it has none, `method` does, or the name of its folder; a file that none of them speaks for is a
/// UserError. So are unknown keys (with the nearest name), wrong types, and values that nothing here obeys. Keys that say nothing
/// about the edit itself are passed over.
EditHparams read_edit_hparams(std::filesystem::path const& file, std::optional<EditMethod> method = {});

/// What `read_edit_hparams` reads as these settings, one key a line. It does not name the edited matrix, which follows
/// from the model.
std::string hparams_text(EditHparams const& hparams);
/// The method as such files name it, "R-ROME".
std::string algorithm_name(EditMethod method);

/// Throws UserError, naming `where`, for layers that the method cannot edit.
void check_edited_layers(EditHparams const& hparams, std::string const& where);

/// What decides the values found for facts, as one line of text: for ROME all that decides an edit.
std::string describe(EditHparams const& hparams);
/// What decides the solve for many facts beside their values.
std::string describe_solve(EditHparams const& hparams);

std::string to_string(EditMethod method);

template <>
Fields<EditHparams> const& fields_of<EditHparams>();

}  // namespace onemask
