#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/text.hpp>
#include <onemask/settings/edit_hparams.hpp>

#include <algorithm>
#include <array>
#include <set>

#include <yaml-cpp/yaml.h>

namespace onemask {
namespace {

/// Keys of EasyEdit's files that say nothing about the edit itself.
std::set<std::string> const passed_over = {"model_name",
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

/// Methods as EasyEdit's files name them.
constexpr char const* method_key = "alg_name";
constexpr std::array<Named<EditMethod>, 7> algorithms{{{EditMethod::rome, "ROME"},
                                                       {EditMethod::r_rome, "R-ROME"},
                                                       {EditMethod::memit, "MEMIT"},
                                                       {EditMethod::memit_merge, "MEMIT-merge"},
                                                       {EditMethod::emmet, "EMMET"},
                                                       {EditMethod::alphaedit, "AlphaEdit"},
                                                       {EditMethod::ft_l, "FT"}}};

/// The fields that such a file has under their own names: all but the method.
Fields<EditHparams> file_fields() {
  auto fields = fields_of<EditHparams>();
  std::erase_if(fields, [](auto const& field) { return field.name == "method"; });
  return fields;
}

class HparamsReader {
 public:
  explicit HparamsReader(std::filesystem::path const& file) : file_(file.string()), fields_(file_fields()) {
    try {
      root_ = YAML::Load(read_file(file));
    } catch (YAML::Exception const& e) {
      throw UserError("The hparams file " + file_ + " is not valid YAML (" + e.what() + ").");
    }
    if (!root_.IsMap()) throw UserError("The hparams file " + file_ + " must be a YAML mapping of names to values.");
    check_names();
  }

  EditHparams read() const {
    EditHparams hparams;
    hparams.method = method();
    // Defaults of the methods' own code.
    if (hparams.method == EditMethod::emmet) hparams.mom2_update_weight = 1;
    if (edits_in_batches(hparams.method)) hparams.context_template_length_params = {{10, 5}};
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
    return hparams;
  }

 private:
  void check_names() const {
    std::vector<std::string> known{method_key};
    for (auto const& field : fields_) known.push_back(field.name);
    std::set<std::string> names;
    for (auto const& item : root_) {
      auto const name = item.first.as<std::string>("");
      if (!passed_over.contains(name) && std::find(known.begin(), known.end(), name) == known.end()) {
        throw UserError("The hparams file " + file_ + " has a key '" + name +
                        "' that neither EasyEdit's editors nor onemask knows." + did_you_mean(name, known));
      }
      if (!names.insert(name).second) throw fault(name, "is given twice");
    }
  }

  EditMethod method() const {
    if (!root_[method_key]) return EditMethod::rome;
    auto const name = root_[method_key].as<std::string>("");
    if (auto const value = value_of(algorithms, name)) return *value;
    throw fault(method_key, "is '" + name + "'; supported are " + all_names(algorithms));
  }

  UserError fault(std::string const& name, std::string const& problem) const {
    return UserError("The hparams file " + file_ + ": '" + name + "' " + problem + ".");
  }

  std::string file_;
  Fields<EditHparams> fields_;
  YAML::Node root_;
};

}  // namespace

EditHparams read_edit_hparams(std::filesystem::path const& file) {
  return HparamsReader(file).read();
}

}  // namespace onemask
