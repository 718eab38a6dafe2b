#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/text.hpp>
#include <onemask/edit/hparams.hpp>

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>

#include <yaml-cpp/yaml.h>

namespace onemask {
namespace {

/// Keys of EasyEdit's files that say nothing about the edit itself.
std::set<std::string> const passed_over = {"alg_name",
                                           "model_name",
                                           "stats_dir",
                                           "device",
                                           "rewrite_module_tmp",
                                           "layer_module_tmp",
                                           "mlp_module_tmp",
                                           "attn_module_tmp",
                                           "ln_f_module",
                                           "lm_head_module",
                                           "mom2_dataset",
                                           "mom2_n_samples",
                                           "mom2_dtype",
                                           "model_parallel",
                                           "max_length",
                                           "batch_size",
                                           "fp16",
                                           "tokenizer_class",
                                           "tokenizer_name",
                                           "model_class",
                                           "objective_optimization"};

std::vector<std::string> const used = {"layers",
                                       "fact_token",
                                       "v_num_grad_steps",
                                       "v_lr",
                                       "v_loss_layer",
                                       "v_weight_decay",
                                       "clamp_norm_factor",
                                       "kl_factor",
                                       "mom2_adjustment",
                                       "context_template_length_params"};

class Reader {
 public:
  explicit Reader(std::filesystem::path const& file) : file_(file.string()) {
    try {
      root_ = YAML::Load(read_file(file));
    } catch (YAML::Exception const& e) {
      throw UserError("The hparams file " + file_ + " is not valid YAML (" + e.what() + ").");
    }
    if (!root_.IsMap()) throw UserError("The hparams file " + file_ + " must be a YAML mapping of names to values.");
    for (auto const& item : root_) check_name(item.first.as<std::string>(""));
  }

  bool has(char const* name) const { return static_cast<bool>(root_[name]); }

  template <typename T>
  T get(char const* name) const {
    if (!has(name)) throw fault(name, "is missing");
    return convert<T>(name, root_[name]);
  }

  template <typename T>
  T get_or(char const* name, T fallback) const {
    return has(name) ? get<T>(name) : fallback;
  }

  UserError fault(std::string const& name, std::string const& problem) const {
    return UserError("The hparams file " + file_ + ": '" + name + "' " + problem + ".");
  }

 private:
  void check_name(std::string const& name) const {
    if (passed_over.contains(name) || std::find(used.begin(), used.end(), name) != used.end()) return;
    throw UserError("The hparams file " + file_ + " has a key '" + name + "' that neither EasyEdit's ROME nor onemask knows." +
                    did_you_mean(name, used));
  }

  template <typename T>
  T convert(char const* name, YAML::Node const& node) const {
    try {
      return node.as<T>();
    } catch (YAML::Exception const&) {
      throw fault(name, "has a value of the wrong type");
    }
  }

  std::string file_;
  YAML::Node root_;
};

RomeVariant variant_of(Reader const& reader) {
  auto const name = reader.get_or<std::string>("alg_name", "ROME");
  if (name == "ROME") return RomeVariant::rome;
  if (name == "R-ROME") return RomeVariant::r_rome;
  throw reader.fault("alg_name", "is '" + name + "'; this reader knows ROME and R-ROME");
}

}  // namespace

std::string to_string(RomeVariant variant) {
  return variant == RomeVariant::rome ? "rome" : "r-rome";
}

RomeHparams read_rome_hparams(std::filesystem::path const& file) {
  Reader const reader(file);
  RomeHparams hparams;
  hparams.variant = variant_of(reader);
  auto const layers = reader.get<std::vector<int>>("layers");
  if (layers.size() != 1) throw reader.fault("layers", "must name exactly one layer for ROME");
  hparams.layer = layers.front();
  hparams.fact_token = reader.get_or<std::string>("fact_token", "subject_last");
  if (hparams.fact_token != "subject_last" && hparams.fact_token != "last") {
    throw reader.fault("fact_token", "is '" + hparams.fact_token + "'; supported are subject_last and last");
  }
  hparams.v_num_grad_steps = reader.get<int>("v_num_grad_steps");
  hparams.v_lr = reader.get<double>("v_lr");
  hparams.v_loss_layer = reader.get<int>("v_loss_layer");
  hparams.v_weight_decay = reader.get<double>("v_weight_decay");
  hparams.clamp_norm_factor = reader.get<double>("clamp_norm_factor");
  hparams.kl_factor = reader.get<double>("kl_factor");
  if (reader.get_or<bool>("mom2_adjustment", false)) {
    throw reader.fault("mom2_adjustment", "is true, but this version has no second moments to adjust by; set it to false");
  }
  if (reader.has("context_template_length_params")) {
    hparams.context_template_length_params = reader.get<std::vector<std::pair<int, int>>>("context_template_length_params");
  }
  check_rome_hparams(hparams, "The hparams file " + file.string());
  return hparams;
}

void check_rome_hparams(RomeHparams const& h, std::string const& where) {
  auto const need = [&](bool fine, std::string const& what) {
    if (!fine) throw UserError(where + ": " + what + ".");
  };
  need(h.v_num_grad_steps >= 1, "'v_num_grad_steps' must be at least 1");
  need(h.v_lr > 0 && std::isfinite(h.v_lr), "'v_lr' must be a positive number");
  need(h.clamp_norm_factor > 0 && std::isfinite(h.clamp_norm_factor), "'clamp_norm_factor' must be a positive number");
  need(std::isfinite(h.v_weight_decay), "'v_weight_decay' must be a finite number");
  need(std::isfinite(h.kl_factor), "'kl_factor' must be a finite number");
  for (auto const& [length, count] : h.context_template_length_params) {
    need(length > 1 && count >= 0, "'context_template_length_params' must be pairs of a length over 1 and a count");
  }
}

std::string describe(RomeHparams const& h) {
  std::ostringstream text;
  text.precision(17);
  text << to_string(h.variant) << " layer " << h.layer << " token " << h.fact_token << " steps " << h.v_num_grad_steps << " lr "
       << h.v_lr << " loss layer " << h.v_loss_layer << " decay " << h.v_weight_decay << " clamp " << h.clamp_norm_factor
       << " kl " << h.kl_factor;
  return text.str();
}

}  // namespace onemask
