#include "settings/hparams_names.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/text.hpp>
#include <onemask/core/yaml_document.hpp>
#include <onemask/settings/edit_hparams.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <functional>
#include <limits>
#include <set>
#include <string_view>

#include <fmt/core.h>
#include <yaml-cpp/yaml.h>

namespace onemask {
namespace {

/// Keys that say nothing about the edit itself, or nothing that the study does not say.
std::set<std::string, std::less<>> const passed_over = {"model_name",
                                                        "stats_dir",
                                                        "P_loc",
                                                        "device",
                                                        "layer_module_tmp",
                                                        "mlp_module_tmp",
                                                        "attn_module_tmp",
                                                        "ln_f_module",
                                                        "lm_head_module",
                                                        "mom2_dataset",
                                                        "mom2_n_samples",
                                                        "model_parallel",
                                                        "max_length",
                                                        "tokenizer_class",
                                                        "tokenizer_name",
                                                        "model_class",
                                                        "calculate_objective_value",
                                                        "dynamic_multiplier"};

/// A key of which only one value is obeyed.
struct OnlyValue {
  std::string_view key, value, reason;
};
constexpr std::array<OnlyValue, 14> only_values{
    {{"fp16", "false", "The study says the type of the model by model.dtype."},
     {"layer_selection", "all", "All of 'layers' are edited."},
     {"mom2_dtype", "float32", "Second moments are summed exactly and kept as float32."},
     {"update_norm_lambda", "0", "EMMET is solved without such a term."},
     {"enable_prompt_keys", "false", "Keys are means over the contexts."},
     {"enable_random_prefix_keys", "true", "Keys are means over the contexts."},
     {"original_implementation", "false", "The alg_name ROME stands for the original, R-ROME for the one with averaged keys."},
     {"use_chat_template", "false", "Prompts are used as the facts have them."},
     {"enable_thinking", "false", "Prompts are used as the facts have them."},
     {"bias_update", "false", "The matrix alone is edited."},
     {"dynamic", "false", "The search for a value follows v_num_grad_steps and v_lr."},
     {"prob_cutoff", "0", "The search for a value does not end at a probability of its own."},
     {"norm_control", "0", "clamp_norm_factor alone limits the norm of a value."},
     {"wd_power_law", "null", "weight_decay is the same for any number of facts."}}};

/// What a scalar says as yes or no: "False", "no" or 0.
std::optional<bool> flag_of(YAML::Node const& node) {
  bool flag = false;
  if (YAML::convert<bool>::decode(node, flag)) return flag;
  auto const number = node.as<double>(-1);
  return number == 0 || number == 1 ? std::optional(number == 1) : std::nullopt;
}

/// Whether two scalars of YAML mean the same: "0" and "0.0", "False" and "false". Nothing at all is what is switched off.
bool mean_the_same(YAML::Node const& node, std::string_view text) {
  if (node.IsNull()) return text == "null" || text == "false" || text == "0";
  if (!node.IsScalar()) return false;
  YAML::Node const other{std::string(text)};
  auto const none = std::numeric_limits<double>::quiet_NaN();
  if (node.Scalar() == text || node.as<double>(none) == other.as<double>(none)) return true;
  return (text == "true" || text == "false") && flag_of(node) == flag_of(other);
}

/// The layer that a template names instead of leaving it open: 17 of "transformer.h.17.mlp.c_proj".
std::optional<int> layer_in(std::string const& module) {
  for (auto const& part : split_text(module, '.')) {
    int layer = 0;
    auto const [end, error] = std::from_chars(part.data(), part.data() + part.size(), layer);
    if (error == std::errc() && end == part.data() + part.size()) return layer;
  }
  return std::nullopt;
}

/// "c_proj" of "transformer.h.{}.mlp.c_proj", the second matrix of the MLP; nothing of a template for other modules.
std::optional<std::string> second_projection(std::string module) {
  if (module.ends_with(".weight")) module.resize(module.size() - 7);
  constexpr std::array<std::string_view, 6> names{"c_proj", "fc_out", "down_proj", "dense_4h_to_h", "fc2", "w2"};
  auto const last = module.substr(module.rfind('.') + 1);
  bool const named = std::find(names.begin(), names.end(), last) != names.end();
  bool const attends = module.find("attn") != std::string::npos || module.find("attention") != std::string::npos;
  return named && !attends ? std::optional(last) : std::nullopt;
}

/// The fields that such a file has under their own names: all but the method.
Fields<EditHparams> file_fields() {
  auto fields = fields_of<EditHparams>();
  std::erase_if(fields, [](auto const& field) { return field.name == "method"; });
  return fields;
}

std::string lower(std::string text) {
  for (auto& letter : text) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return text;
}

/// The method that a folder of hparams files is named after, as in hparams/MEMIT of the methods' own repositories.
std::optional<EditMethod> method_of_folder(std::filesystem::path const& file) {
  std::error_code unreadable;
  auto const name = lower(std::filesystem::absolute(file, unreadable).lexically_normal().parent_path().filename().string());
  for (auto const& algorithm : algorithms) {
    if (lower(algorithm.name) == name) return algorithm.value;
  }
  return value_of(edit_method_names, name);
}

class HparamsReader {
 public:
  HparamsReader(std::filesystem::path const& file, std::optional<EditMethod> method)
      : file_(file.string()), fields_(file_fields()), given_(method), method_(method ? method : method_of_folder(file)) {
    root_ = parse_yaml(read_file(file), "The hparams file " + file_);
    if (!root_.IsMap()) throw UserError("The hparams file " + file_ + " must be a YAML mapping of names to values.");
    check_names();
    check_obeyed();
  }

  EditHparams read() const {
    EditHparams hparams;
    hparams.method = method();
    // Defaults of the methods' own code.
    if (hparams.method == EditMethod::emmet) hparams.mom2_update_weight = 1;
    if (edits_in_batches(hparams.method)) hparams.context_template_length_params = {{10, 5}};
    // Only EasyEdit, whose files name the algorithm, knows another objective; the authors' own code takes 64 facts a step.
    if (hparams.method == EditMethod::ft_l && !names_method())
      hparams.objective_optimization = "prompt_last", hparams.batch_size = 64;
    for (auto const& field : fields_) {
      if (!field.given_for(hparams)) continue;
      if (root_[field.name]) {
        auto const problem = field.set(hparams, root_[field.name]);
        if (!problem.empty()) throw fault(field.name, problem);
      } else if (field.required) {
        throw fault(field.name, "is missing");
      }
    }
    check_edited_layers(hparams, "The hparams file " + file_);
    if (auto const named = root_[module_key]) {
      auto const module = second_projection(named.as<std::string>(""));
      if (!module)
        throw fault(module_key, "is " + YamlValue(named).text() + ", but what is edited here is the second matrix of the MLP");
      if (auto const layer = layer_in(named.as<std::string>("")); layer && hparams.layers != std::vector{*layer})
        throw fault(module_key, fmt::format("names layer {}, but 'layers' does not; write {{}} in its place", *layer));
      hparams.module = *module;
    }
    auto const used = given_.value_or(hparams.method);
    bool const drifts = hparams.method == EditMethod::ft_l && used == EditMethod::ft_l && root_["kl_factor"] &&
                        !mean_the_same(root_["kl_factor"], "0");
    if (drifts) throw fault("kl_factor", "must be 0 or absent: FT has no such term, here as in the published code");
    bool const single = !edits_in_batches(used) && hparams.batch_size > 1;
    if (single) throw fault("batch_size", "must be 1 or absent: " + to_string(used) + " edits each fact by itself");
    return hparams;
  }

 private:
  void check_names() const {
    std::vector<std::string> known{method_key, module_key};
    for (auto const& field : fields_) known.push_back(field.name);
    std::set<std::string> names;
    for (auto const& item : root_) {
      auto const name = item.first.as<std::string>("");
      if (!passed_over.contains(name) && !is_only_value(name) && std::find(known.begin(), known.end(), name) == known.end()) {
        throw UserError("The hparams file " + file_ + " has a key '" + name +
                        "' that neither EasyEdit's editors nor onemask knows." + did_you_mean(name, known));
      }
      if (!names.insert(name).second) throw fault(name, "is given twice");
    }
  }

  static bool is_only_value(std::string const& name) {
    return std::any_of(only_values.begin(), only_values.end(), [&](auto const& only) { return only.key == name; });
  }

  /// What is read is obeyed, or refused.
  void check_obeyed() const {
    for (auto const& [key, value, reason] : only_values) {
      auto const node = root_[std::string(key)];
      if (node && !mean_the_same(node, value))
        throw UserError(fmt::format("The hparams file {}: '{}' is {}, but only {} is supported. {}", file_, key,
                                    YamlValue(node).text(), value, reason));
    }
  }

  bool names_method() const { return root_[method_key] && !root_[method_key].IsNull(); }

  EditMethod method() const {
    if (!names_method()) {
      if (method_) return *method_;
      throw UserError("The hparams file " + file_ + " does not say its method: it has no '" + method_key +
                      "', and its folder is not named after one. Set edit.method in the study to one of " +
                      all_names(edit_method_names) + ".");
    }
    auto const name = root_[method_key].as<std::string>("");
    if (auto const value = value_of(algorithms, name)) return *value;
    throw fault(method_key, "is '" + name + "'; supported are " + all_names(algorithms));
  }

  UserError fault(std::string const& name, std::string const& problem) const {
    return UserError("The hparams file " + file_ + ": '" + name + "' " + problem + ".");
  }

  std::string file_;
  Fields<EditHparams> fields_;
  std::optional<EditMethod> given_;   ///< that the study uses, whatever the file says
  std::optional<EditMethod> method_;  ///< of a file that does not say it
  YAML::Node root_;
};

}  // namespace

EditHparams read_edit_hparams(std::filesystem::path const& file, std::optional<EditMethod> method) {
  return HparamsReader(file, method).read();
}

}  // namespace onemask
