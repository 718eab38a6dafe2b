#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/text.hpp>
#include <onemask/settings/edit_hparams.hpp>

#include <algorithm>
#include <array>
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
                                           "P_loc",
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
                                           "objective_optimization",
                                           "layer_selection",
                                           "update_norm_lambda",
                                           "calculate_objective_value"};

std::vector<std::string> const used = {"layers",
                                       "fact_token",
                                       "v_num_grad_steps",
                                       "v_lr",
                                       "v_loss_layer",
                                       "v_weight_decay",
                                       "clamp_norm_factor",
                                       "kl_factor",
                                       "mom2_adjustment",
                                       "mom2_update_weight",
                                       "emmet_lambda",
                                       "nullspace_threshold",
                                       "L2",
                                       "num_steps",
                                       "lr",
                                       "weight_decay",
                                       "norm_constraint",
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
    std::set<std::string> names;
    for (auto const& item : root_) {
      auto const name = item.first.as<std::string>("");
      check_name(name);
      if (!names.insert(name).second) throw fault(name, "is given twice");
    }
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
    throw UserError("The hparams file " + file_ + " has a key '" + name + "' that neither EasyEdit's editors nor onemask knows." +
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

/// The names of EasyEdit's files, then our own.
struct MethodName {
  EditMethod method;
  char const *algorithm, *name;
};
constexpr std::array<MethodName, 7> methods{{{EditMethod::rome, "ROME", "rome"},
                                             {EditMethod::r_rome, "R-ROME", "r-rome"},
                                             {EditMethod::memit, "MEMIT", "memit"},
                                             {EditMethod::memit_merge, "MEMIT-merge", "memit-merge"},
                                             {EditMethod::emmet, "EMMET", "emmet"},
                                             {EditMethod::alphaedit, "AlphaEdit", "alphaedit"},
                                             {EditMethod::ft_l, "FT", "ft-l"}}};

std::string list_of(char const* MethodName::*spelling) {
  std::string list;
  for (auto const& item : methods) list += (list.empty() ? "" : ", ") + std::string(item.*spelling);
  return list;
}

EditMethod method_of(Reader const& reader) {
  auto const name = reader.get_or<std::string>("alg_name", "ROME");
  for (auto const& item : methods) {
    if (name == item.algorithm) return item.method;
  }
  throw reader.fault("alg_name", "is '" + name + "'; supported are " + list_of(&MethodName::algorithm));
}

/// A number, or 0 where the file says false.
double number_or_false(Reader const& reader, char const* name) {
  return reader.get<std::string>(name) == "false" ? 0 : reader.get<double>(name);
}

/// A text with the settings in order.
class Line {
 public:
  Line() { text_.precision(17); }
  template <typename T>
  Line& add(char const* name, T const& value) {
    text_ << ' ' << name << ' ' << value;
    return *this;
  }
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
};

}  // namespace

bool edits_in_batches(EditMethod method) {
  return method != EditMethod::rome && method != EditMethod::r_rome;
}

bool needs_moments(EditHparams const& h) {
  return edits_in_batches(h.method) ? h.method != EditMethod::ft_l : h.mom2_adjustment;
}

std::string to_string(EditMethod method) {
  return std::find_if(methods.begin(), methods.end(), [&](auto const& item) { return item.method == method; })->name;
}

EditMethod parse_edit_method(std::string const& name) {
  for (auto const& item : methods) {
    if (name == item.name) return item.method;
  }
  throw UserError("is '" + name + "'; known are " + list_of(&MethodName::name));
}

EditHparams read_edit_hparams(std::filesystem::path const& file) {
  Reader const reader(file);
  EditHparams hparams;
  hparams.method = method_of(reader);
  hparams.layers = reader.get<std::vector<int>>("layers");
  hparams.fact_token = reader.get_or<std::string>("fact_token", "subject_last");
  if (hparams.fact_token != "subject_last" && hparams.fact_token != "last") {
    throw reader.fault("fact_token", "is '" + hparams.fact_token + "'; supported are subject_last and last");
  }
  if (hparams.method == EditMethod::ft_l) {
    hparams.num_steps = reader.get<int>("num_steps");
    hparams.lr = reader.get<double>("lr");
    hparams.weight_decay = reader.get_or<double>("weight_decay", 0);
    hparams.norm_constraint = number_or_false(reader, "norm_constraint");
  } else {
    hparams.v_num_grad_steps = reader.get<int>("v_num_grad_steps");
    hparams.v_lr = reader.get<double>("v_lr");
    hparams.v_loss_layer = reader.get<int>("v_loss_layer");
    hparams.v_weight_decay = reader.get<double>("v_weight_decay");
    hparams.clamp_norm_factor = reader.get<double>("clamp_norm_factor");
    hparams.kl_factor = reader.get<double>("kl_factor");
    hparams.mom2_adjustment = reader.get_or<bool>("mom2_adjustment", false);
  }
  hparams.mom2_update_weight = reader.get_or<double>("mom2_update_weight", hparams.method == EditMethod::emmet ? 1 : 15000);
  hparams.emmet_lambda = reader.get_or<double>("emmet_lambda", hparams.emmet_lambda);
  hparams.nullspace_threshold = reader.get_or<double>("nullspace_threshold", hparams.nullspace_threshold);
  hparams.l2 = reader.get_or<double>("L2", hparams.l2);
  if (edits_in_batches(hparams.method)) hparams.context_template_length_params = {{10, 5}};  // as MEMIT's code has them
  if (reader.has("context_template_length_params")) {
    hparams.context_template_length_params = reader.get<std::vector<std::pair<int, int>>>("context_template_length_params");
  }
  check_edit_hparams(hparams, "The hparams file " + file.string());
  return hparams;
}

void check_edit_hparams(EditHparams const& h, std::string const& where) {
  auto const need = [&](bool fine, std::string const& what) {
    if (!fine) throw UserError(where + ": " + what + ".");
  };
  auto const positive = [](double value) { return value > 0 && std::isfinite(value); };
  auto const not_negative = [](double value) { return value >= 0 && std::isfinite(value); };
  bool const single = !edits_in_batches(h.method) || h.method == EditMethod::ft_l;
  if (single) need(h.layers.size() == 1, "'layers' must name exactly one layer for " + to_string(h.method));
  need(!h.layers.empty(), "'layers' must name at least one layer");
  need(std::is_sorted(h.layers.begin(), h.layers.end(), std::less_equal<>()), "'layers' must be ascending, each named once");
  need(h.v_num_grad_steps >= 1, "'v_num_grad_steps' must be at least 1");
  need(positive(h.v_lr), "'v_lr' must be a positive number");
  need(positive(h.clamp_norm_factor), "'clamp_norm_factor' must be a positive number");
  need(std::isfinite(h.v_weight_decay), "'v_weight_decay' must be a finite number");
  need(std::isfinite(h.kl_factor), "'kl_factor' must be a finite number");
  need(positive(h.mom2_update_weight), "'mom2_update_weight' must be a positive number");
  need(not_negative(h.emmet_lambda), "'emmet_lambda' must be 0 or a positive number");
  need(positive(h.nullspace_threshold), "'nullspace_threshold' must be a positive number");
  need(positive(h.l2), "'L2' must be a positive number");
  need(h.num_steps >= 1, "'num_steps' must be at least 1");
  need(positive(h.lr), "'lr' must be a positive number");
  need(not_negative(h.weight_decay), "'weight_decay' must be 0 or a positive number");
  need(not_negative(h.norm_constraint), "'norm_constraint' must be false, 0 or a positive number");
  for (auto const& [length, count] : h.context_template_length_params) {
    need(length > 1 && count >= 0, "'context_template_length_params' must be pairs of a length over 1 and a count");
  }
}

std::string describe(EditHparams const& h) {
  // What is found for a fact is the same for all methods but the ROMEs, and whatever is solved afterwards.
  bool const batch = edits_in_batches(h.method);
  auto const kind = !batch ? to_string(h.method) : h.method == EditMethod::memit_merge ? "merged values" : "values";
  Line line;
  line.add("layer", h.layer()).add("token", h.fact_token).add("steps", h.v_num_grad_steps).add("lr", h.v_lr);
  line.add("loss layer", h.v_loss_layer).add("decay", h.v_weight_decay).add("clamp", h.clamp_norm_factor);
  line.add("kl", h.kl_factor);
  return kind + line.text() + (!batch && h.mom2_adjustment ? " adjusted" : "");
}

std::string describe_solve(EditHparams const& h) {
  Line line;
  for (auto layer : h.layers) line.add("layer", layer);
  switch (h.method) {
    case EditMethod::emmet:
      line.add("scale", h.mom2_update_weight).add("lambda", h.emmet_lambda);
      break;
    case EditMethod::alphaedit:
      line.add("threshold", h.nullspace_threshold).add("ridge", h.l2);
      break;
    case EditMethod::ft_l:
      line.add("steps", h.num_steps).add("lr", h.lr).add("decay", h.weight_decay).add("constraint", h.norm_constraint);
      break;
    default:
      line.add("lambda", h.mom2_update_weight);
  }
  return to_string(h.method) + line.text();
}

}  // namespace onemask
