#include "edit/read_adapter.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/text.hpp>
#include <onemask/edit/adapter.hpp>
#include <onemask/edit/finished_edit.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

constexpr std::string_view of_original = ".original", of_change = ".delta";
/// A W that differs more than so much from the model's is another model's: roundings to 16 bits are smaller.
constexpr double most_different = 0.02;

bool is_there(std::filesystem::path const& path) {
  std::error_code unreadable;
  return std::filesystem::exists(path, unreadable);
}

/// Tensors that some versions of a library store beside the weights, and the unembedding where it is the embedding.
bool is_no_weight(std::string const& name, ModelConfig const& config) {
  for (auto const* buffer :
       {".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias", "rotary_emb.inv_freq"})
    if (name.ends_with(buffer)) return true;
  auto const body = without_prefix(name, config.family);
  return config.tied_head && (body == "lm_head.weight" || body == "embed_out.weight");
}

/// What makes two models different; empty where nothing does. Which tokens begin and end a text is no part of the weights.
std::string differing(ModelConfig edited, ModelConfig const& original) {
  edited.bos = original.bos, edited.eos = original.eos;
  if (edited == original) return "";
  if (edited.family != original.family) return "model_type: '" + edited.family + "', not '" + original.family + "'";
  using Size = std::int64_t ModelConfig::*;
  static constexpr std::pair<char const*, Size> sizes[] = {{"its layers", &ModelConfig::layers},
                                                           {"the hidden size", &ModelConfig::hidden},
                                                           {"the heads", &ModelConfig::heads},
                                                           {"the heads of keys and values", &ModelConfig::kv_heads},
                                                           {"the size of a head", &ModelConfig::head_dim},
                                                           {"the inner size of the MLP", &ModelConfig::inner},
                                                           {"the vocabulary", &ModelConfig::vocabulary},
                                                           {"the positions", &ModelConfig::positions}};
  for (auto const& [name, size] : sizes) {
    if (edited.*size != original.*size) return fmt::format("{}: {}, not {}", name, edited.*size, original.*size);
  }
  return "more than the type of the weights: norms, rotary frequencies, windows, biases or the tied unembedding";
}

/// Finds what matrices of another file change in the model.
class ChangeFinder {
 public:
  ChangeFinder(std::filesystem::path const& path, Checkpoint const& original, CausalLM const& model)
      : place_("The edit " + path.string()), original_(original), model_(model) {
    for (int layer = 0; layer < static_cast<int>(model.config().layers); ++layer)
      layers_[original.stored_name(model.projection(layer).name)] = layer;
  }

  /// Of an edited checkpoint.
  FinishedEdit in_checkpoint(Checkpoint const& edited) {
    if (auto const difference = differing(edited.config(), original_.config()); !difference.empty())
      throw UserError(place_ + " is a checkpoint of another model: its config.json differs from the model's in " + difference +
                      ".");
    for (auto const& name : original_.names()) {
      if (!edited.contains(name) && !is_no_weight(name, original_.config()))
        throw UserError(place_ + " lacks the tensor '" + name +
                        "' of the model. Save the whole model, or the changed matrices alone.");
    }
    for (auto const& name : edited.names()) {
      auto const known = original_.stored_name(name);
      if (known.empty() && is_no_weight(name, original_.config())) continue;
      if (known.empty()) refuse_name(name);
      if (!layers_.contains(known) && is_no_weight(name, original_.config())) continue;
      if (edited.stored(name) == original_.stored(known)) continue;
      add_matrix(name, known, edited.file_of(name).tensor(name), {});
    }
    return result("is the model as it was: no tensor differs");
  }

  /// Of a file with some matrices.
  FinishedEdit in_file(SafetensorsFile const& file) {
    for (auto const& name : file.names()) {
      auto const stem = stem_of(name);
      auto const known = original_.stored_name(stem);
      if (known.empty()) refuse_name(name);
      bool const alone = !file.contains(stem) && name.ends_with(of_original);
      bool const twice = name.ends_with(of_change) && file.contains(stem);
      if (alone) throw UserError(place_ + " has '" + name + "', but not '" + stem + "', the matrix that was made of it.");
      if (twice) throw UserError(place_ + " has both '" + stem + "' and '" + name + "'. Keep one of them.");
      if (name.ends_with(of_original)) continue;  // read with its matrix
      if (name.ends_with(of_change)) {
        add_change(name, known, matrix_of(name, known, file.tensor(name)).to(at::kFloat));
      } else {
        auto const before = stem + std::string(of_original);
        add_matrix(name, known, file.tensor(name), file.contains(before) ? std::optional(file.tensor(before)) : std::nullopt);
      }
    }
    return result("changes nothing");
  }

 private:
  static std::string stem_of(std::string const& name) {
    for (auto const suffix : {of_original, of_change}) {
      if (name.ends_with(suffix)) return name.substr(0, name.size() - suffix.size());
    }
    return name;
  }

  [[noreturn]] void refuse_name(std::string const& name) const {
    throw UserError(place_ + " has a tensor '" + name + "' that the model lacks." + did_you_mean(name, original_.names()));
  }

  [[noreturn]] void refuse_place(std::string const& name) const {
    throw UserError(
        fmt::format("{} changes the tensor '{}', but what is edited here is the second matrix of the MLP: '{}' and so on.",
                    place_, name, layers_.begin()->first));
  }

  at::Tensor own_tensor(std::string const& known) const { return original_.file_of(known).tensor(known); }

  /// Checks that a tensor has the shape of the model's.
  at::Tensor matrix_of(std::string const& name, std::string const& known, at::Tensor const& tensor) const {
    auto const own = own_tensor(known);
    if (!is_weight_type(tensor.scalar_type()))
      throw UserError(place_ + ": the tensor '" + name + "' is of the type " + c10::toString(tensor.scalar_type()) +
                      ", not of floating-point numbers that are computed with.");
    if (own.sizes() == tensor.sizes()) return tensor;
    throw ShapeError(fmt::format("{} belongs to another model: its tensor '{}' has the shape [{}], the model's [{}].", place_,
                                 name, join(tensor.sizes(), ", "), join(own.sizes(), ", ")));
  }

  /// W' and the W that belongs to it, in the files' types; without W the model's, rounded to the type of W'.
  void add_matrix(std::string const& name, std::string const& known, at::Tensor const& edited,
                  std::optional<at::Tensor> const& before) {
    matrix_of(name, known, edited);
    auto const own = own_tensor(known).to(edited.scalar_type());
    if (before) require_same_model(name, matrix_of(name, known, *before), own);
    auto const& old = before ? *before : own;
    if (old.scalar_type() == edited.scalar_type() && at::equal(old, edited)) return;
    if (!layers_.contains(known)) refuse_place(name);
    add_change(name, known, edited.to(at::kFloat) - old.to(at::kFloat));
  }

  void require_same_model(std::string const& name, at::Tensor const& before, at::Tensor const& own) const {
    auto const size = own.to(at::kFloat).norm().item<double>(),
               difference = (before.to(at::kFloat) - own.to(at::kFloat)).norm().item<double>();
    if (difference <= most_different * size) return;  // not so with numbers that are not finite
    throw UserError(
        fmt::format("{}: '{}{}' is not the model's matrix. The edit was made in another model.", place_, name, of_original));
  }

  /// ΔW as it lies in files.
  void add_change(std::string const& name, std::string const& known, at::Tensor const& change) {
    auto const found = layers_.find(known);
    if (found == layers_.end()) refuse_place(name);
    if (!change.isfinite().all().item<bool>())
      throw UserError(place_ + ": the tensor '" + name + "' has entries that are not finite. The edit has failed; remove it.");
    // The model shows a transposed view of what GPT-2 stores as [in, out].
    bool const transposed = !model_.projection(found->second).weight.is_contiguous();
    auto const delta = make_dense_delta(found->second, transposed ? change.t() : change);
    if (!changes_.emplace(found->second, delta).second)
      throw UserError(place_ + " has the tensor '" + name + "' under two names.");
  }

  FinishedEdit result(std::string const& nothing) {
    if (changes_.empty()) throw UserError(place_ + " " + nothing + ".");
    FinishedEdit edit;
    for (auto& [layer, change] : changes_) edit.changes.push_back(std::move(change));
    return edit;
  }

  std::string place_;
  Checkpoint const& original_;
  CausalLM const& model_;
  std::map<std::string, int> layers_;  ///< by the stored name of their second projection
  std::map<int, WeightDelta> changes_;
};

}  // namespace

std::string FinishedEdit::content() const {
  Hasher hasher;
  auto const add = [&](at::Tensor const& matrix) {
    hasher.integer(matrix.size(0)).integer(matrix.size(1)).bytes(matrix.const_data_ptr(), matrix.nbytes());
  };
  for (auto const& change : changes) {
    hasher.integer(change.layer).integer(change.dense.defined());
    if (change.dense.defined()) {
      add(change.dense);
    } else {
      add(change.left);
      add(change.right);
    }
  }
  return hasher.hex();
}

namespace {

FinishedEdit read_any_edit(std::filesystem::path const& path, Checkpoint const& original, CausalLM const& model) {
  std::error_code unreadable;
  if (std::filesystem::is_directory(path, unreadable)) {
    if (is_there(path / adapter_config_file)) return read_adapter(path, model);
    if (is_there(path / "config.json")) return ChangeFinder(path, original, model).in_checkpoint(Checkpoint::open(path));
    throw UserError("The edit " + path.string() + " is a folder with neither " + adapter_config_file + " nor config.json.");
  }
  if (!is_there(path)) throw UserError("The edit " + path.string() + " is not there. Check the path.");
  if (path.extension() != ".safetensors") {
    throw UserError("The edit " + path.string() +
                    " is neither a folder nor a .safetensors file. Save the changed matrices with safetensors.torch.save_file.");
  }
  if (path.filename() == adapter_weights_file && is_there(path.parent_path() / adapter_config_file))
    throw UserError("The edit " + path.string() + " is a part of an adapter. Name its folder.");
  return ChangeFinder(path, original, model).in_file(SafetensorsFile::open(path));
}

bool is_zero(WeightDelta const& change) {
  auto const all_zeros = [](at::Tensor const& matrix) { return matrix.count_nonzero().item<std::int64_t>() == 0; };
  return change.dense.defined() ? all_zeros(change.dense) : all_zeros(change.left) || all_zeros(change.right);
}

}  // namespace

FinishedEdit read_finished_edit(std::filesystem::path const& path, Checkpoint const& original, CausalLM const& model) {
  auto edit = read_any_edit(path, original, model);
  if (std::all_of(edit.changes.begin(), edit.changes.end(), is_zero))
    throw UserError("The edit " + path.string() + " changes nothing: all its changes are zero.");
  return edit;
}

}  // namespace onemask
