#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace onemask {

/// Which key the rank-one update is solved for.
enum class RomeVariant {
  rome,   ///< the plain context's key (Meng et al. 2022, arXiv 2202.05262)
  r_rome  ///< the averaged key on both sides (Gupta et al. 2024, arXiv 2403.07175), which does not break the model
};

/// Settings of ROME, named as in the hparams files of EasyEdit.
struct RomeHparams {
  RomeVariant variant = RomeVariant::rome;
  int layer = 0;                            ///< the edited layer
  std::string fact_token = "subject_last";  ///< or "last": the prompt's last token
  int v_num_grad_steps = 20;                ///< forward passes; one fewer Adam steps
  double v_lr = 0.5;                        ///< learning rate of Adam for the value
  int v_loss_layer = 0;                     ///< the layer whose output is unembedded for the loss
  double v_weight_decay = 0.5;              ///< times |delta| / |v0|^2
  double clamp_norm_factor = 4;             ///< |delta| stays under this times |v0|
  double kl_factor = 0.0625;                ///< weight of the essence drift term
  /// Sampled contexts: pairs of a length [tokens] and a count.
  std::vector<std::pair<int, int>> context_template_length_params = {{5, 10}, {10, 10}};
};

/// Reads a ROME or R-ROME hparams file of EasyEdit, unchanged. Keys of EasyEdit that do not matter here are passed over, any
/// other unknown key is a UserError that suggests the nearest name, as are wrong types and settings that this program does not
/// support.
RomeHparams read_rome_hparams(std::filesystem::path const& file);

/// Throws UserError, naming `where`, for numbers that no edit can be made with.
void check_rome_hparams(RomeHparams const& hparams, std::string const& where);

/// What decides an edit, as one line of text: part of its name.
std::string describe(RomeHparams const& hparams);

std::string to_string(RomeVariant variant);

}  // namespace onemask
