#include "settings/hparams_names.hpp"
#include <onemask/settings/edit_hparams.hpp>

namespace onemask {

std::string hparams_text(EditHparams const& hparams) {
  std::string text = std::string(method_key) + ": " + algorithm_name(hparams.method) + "\n";
  for (auto const& field : fields_of<EditHparams>()) {
    if (field.name != "method" && field.given_for(hparams) && field.used_for(hparams))
      text += field.name + ": " + field.text(hparams) + "\n";
  }
  return text;
}

std::string algorithm_name(EditMethod method) {
  return name_of(algorithms, method);
}

}  // namespace onemask
