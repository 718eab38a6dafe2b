#include <onemask/core/error.hpp>
#include <onemask/settings/mask_options.hpp>

#include <cmath>
#include <sstream>

namespace onemask {

double mask_temperature(MaskOptions const& options, int epoch) {
  return options.tau0 * std::exp(-options.tau_decay * epoch / options.epochs);
}

double sparsity_weight(MaskOptions const& options, int epoch) {
  if (options.epochs == 1) return options.sparsity_weight0;
  return options.sparsity_weight0 + (options.sparsity_weight1 - options.sparsity_weight0) * epoch / (options.epochs - 1);
}

double distillation_temperature(MaskOptions const& options, int epoch) {
  double const share = static_cast<double>(epoch) / options.epochs;
  double const way = options.temperature_schedule == TemperatureSchedule::linear ? share : (1 - std::cos(M_PI * share)) / 2;
  return options.temperature0 + (options.temperature1 - options.temperature0) * way;
}

std::string to_string(Restoration restoration) {
  switch (restoration) {
    case Restoration::margin:
      return "margin";
    case Restoration::nll:
      return "nll";
    case Restoration::none:
      break;
  }
  return "none";
}

std::string to_string(TemperatureSchedule schedule) {
  return schedule == TemperatureSchedule::linear ? "linear" : "cosine";
}

Restoration parse_restoration(std::string const& name) {
  for (auto value : {Restoration::margin, Restoration::nll, Restoration::none}) {
    if (name == to_string(value)) return value;
  }
  throw UserError("restoration is '" + name + "'; it must be margin, nll or none");
}

TemperatureSchedule parse_temperature_schedule(std::string const& name) {
  for (auto value : {TemperatureSchedule::linear, TemperatureSchedule::cosine}) {
    if (name == to_string(value)) return value;
  }
  throw UserError("temperature_schedule is '" + name + "'; it must be linear or cosine");
}

std::string describe(MaskOptions const& o) {
  std::ostringstream text;
  text.precision(17);
  text << "epochs " << o.epochs << " batch " << o.batch << '/' << o.micro_batch << " adamw " << o.learning_rate << ' ' << o.beta1
       << ' ' << o.beta2 << ' ' << o.adam_epsilon << ' ' << o.weight_decay << " clip " << o.max_gradient_norm << " init "
       << o.init_mean << ' ' << o.init_deviation << " tau " << o.tau0 << ' ' << o.tau_decay << " restoration "
       << to_string(o.restoration) << ' ' << o.margin << " sparsity " << o.sparsity_target << ' ' << o.sparsity_weight0 << ' '
       << o.sparsity_weight1 << " distillation " << o.distillation_weight << ' ' << to_string(o.temperature_schedule) << ' '
       << o.temperature0 << ' ' << o.temperature1 << " validation " << o.validation_share << " space " << o.leading_space;
  for (auto layer : o.layers) text << " layer " << layer;
  return text.str();
}

}  // namespace onemask
