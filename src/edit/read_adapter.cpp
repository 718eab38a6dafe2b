#include "edit/read_adapter.hpp"

#include <onemask/checkpoint/checkpoint.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/json_field.hpp>
#include <onemask/edit/adapter.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

/// Fields that are read below, or that decide nothing about a trained adapter.
std::set<std::string, std::less<>> const read_or_idle{"auto_mapping",
                                                      "base_model_name_or_path",
                                                      "corda_config",
                                                      "eva_config",
                                                      "exclude_modules",
                                                      "fan_in_fan_out",
                                                      "inference_mode",
                                                      "init_lora_weights",
                                                      "layers_pattern",
                                                      "layers_to_transform",
                                                      "loftq_config",
                                                      "lora_alpha",
                                                      "lora_dropout",
                                                      "megatron_core",
                                                      "peft_type",
                                                      "peft_version",
                                                      "r",
                                                      "rank_pattern",
                                                      "alpha_pattern",
                                                      "revision",
                                                      "target_modules",
                                                      "task_type",
                                                      "use_rslora"};
/// Ways to begin a training that leave W as it is.
constexpr std::array<std::string_view, 3> harmless_beginnings{"gaussian", "eva", "orthogonal"};

/// Whether a field says that something is not used. Numbers alone turn nothing on.
bool is_off(nlohmann::json const& value) {
  return value.is_null() || value.is_number() || value == false || value == "none" || (!value.is_boolean() && value.empty());
}

std::string shortened(nlohmann::json const& value) {
  constexpr std::size_t longest = 60;
  auto text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return text.size() > longest ? text.substr(0, longest) + "..." : text;
}

/// What an adapter's configuration says of its factors.
class LoraConfig {
 public:
  explicit LoraConfig(std::filesystem::path const& file)
      : place_("The adapter " + file.string()), json_(detail::parse_json_file(file)) {
    if (!json_.is_object()) throw UserError(place_ + " is not a JSON object.");
    if (auto const type = field("peft_type"); type != "LORA")
      throw UserError(place_ + ": 'peft_type' is " + shortened(type) + ", but only adapters of the type LORA are read.");
    for (auto const& [name, value] : json_.items()) {
      if (read_or_idle.contains(name) || is_off(value)) continue;
      throw UserError(place_ + ": '" + name + "' is " + shortened(value) +
                      ", but only adapters are read that add a product of two matrices to W and do nothing else.");
    }
    auto const beginning = field("init_lora_weights");
    bool const harmless = !beginning.is_string() || std::find(harmless_beginnings.begin(), harmless_beginnings.end(),
                                                              beginning.get<std::string>()) != harmless_beginnings.end();
    if (!harmless) {
      throw UserError(place_ + ": 'init_lora_weights' is " + shortened(beginning) +
                      ", which changes W itself before training. Convert the adapter to one for the unchanged model.");
    }
  }

  std::string base_model() const {
    auto const name = field("base_model_name_or_path");
    return name.is_string() ? name.get<std::string>() : "";
  }

  /// What B A of the module is multiplied by; its factors have this rank.
  double scale(std::string const& module, std::int64_t rank) const {
    auto const said = number(module, "rank_pattern", "r"), alpha = number(module, "alpha_pattern", "lora_alpha");
    if (said != static_cast<double>(rank)) {
      throw UserError(
          fmt::format("{}: the rank of '{}' is said to be {}, but its factors have the rank {}.", place_, module, said, rank));
    }
    return alpha / (field("use_rslora") == true ? std::sqrt(said) : said);
  }

 private:
  nlohmann::json field(std::string const& name) const {
    auto const found = json_.find(name);
    return found == json_.end() ? nlohmann::json() : *found;
  }

  /// The number of the pattern that stands for the module, or else of the field `otherwise`.
  double number(std::string const& module, std::string const& patterns, std::string const& otherwise) const {
    auto const said = field(patterns);
    auto value = field(otherwise);
    bool found = false;
    for (auto const& [pattern, its] : said.items()) {
      if (!stands_for(pattern, module, patterns)) continue;
      if (found && its != value)
        throw UserError(fmt::format("{}: '{}' says both {} and {} of '{}'. Keep one.", place_, patterns, shortened(value),
                                    shortened(its), module));
      value = its;
      found = true;
    }
    if (!value.is_number() || !std::isfinite(value.get<double>()))
      throw UserError(place_ + ": '" + (found ? patterns : otherwise) + "' must be a number, but is " + shortened(value) + ".");
    return value.get<double>();
  }

  /// Patterns are regular expressions for the end of a name. Plain names are read, in which a dot may be escaped.
  bool stands_for(std::string pattern, std::string const& module, std::string const& field_name) const {
    auto const given = pattern;
    for (auto place = pattern.find("\\."); place != std::string::npos; place = pattern.find("\\.", place))
      pattern.erase(place, 1);
    bool const whole = pattern.starts_with('^');
    if (whole) pattern.erase(0, 1);
    if (pattern.ends_with('$')) pattern.pop_back();
    bool const plain = !pattern.empty() && std::all_of(pattern.begin(), pattern.end(), [](unsigned char letter) {
      return std::isalnum(letter) != 0 || letter == '_' || letter == '.';
    });
    if (!plain) {
      throw UserError(place_ + ": '" + field_name + "' has the expression '" + given +
                      "', but only names of modules are read. Write one entry for each module.");
    }
    return module == pattern || (!whole && module.ends_with("." + pattern));
  }

  std::string place_;
  nlohmann::json json_;
};

/// The factors of a module as they are stored.
struct StoredFactors {
  at::Tensor a, b;  ///< [rank, in], [out, rank]
};

at::Tensor read_factor(SafetensorsFile const& file, std::string const& name, std::string const& place) {
  auto const stored = file.tensor(name);
  if (!is_weight_type(stored.scalar_type()) || stored.dim() != 2)
    throw UserError(place + ": the tensor '" + name + "' is not a matrix of floating-point numbers.");
  if (!stored.isfinite().all().item<bool>())
    throw UserError(place + ": the tensor '" + name + "' has entries that are not finite. The edit has failed; remove it.");
  return stored;
}

/// By module.
std::map<std::string, StoredFactors> read_factors(std::filesystem::path const& path) {
  auto const place = "The adapter " + path.string();
  auto const file = SafetensorsFile::open(path);
  std::map<std::string, StoredFactors> factors;
  for (auto const& name : file.names()) {
    constexpr std::string_view prefix = "base_model.model.", a = ".lora_A.weight", b = ".lora_B.weight";
    bool const is_a = name.ends_with(a);
    if (!name.starts_with(prefix) || !(is_a || name.ends_with(b)) || name.size() <= prefix.size() + a.size()) {
      throw UserError(
          place + ": the tensor '" + name +
          "' is no factor of LoRA. Only adapters are read that add a product of two matrices to W and do nothing else.");
    }
    auto& its = factors[name.substr(prefix.size(), name.size() - prefix.size() - a.size())];
    (is_a ? its.a : its.b) = read_factor(file, name, place);
  }
  if (factors.empty()) throw UserError(place + " has no tensor.");
  for (auto const& [module, its] : factors) {
    if (!its.a.defined() || !its.b.defined())
      throw UserError(place + ": of '" + module + "' there is only one of the factors lora_A and lora_B.");
    if (its.a.size(0) != its.b.size(1) || its.a.size(0) == 0)
      throw UserError(fmt::format("{}: lora_A of '{}' has the rank {}, lora_B {}.", place, module, its.a.size(0), its.b.size(1)));
  }
  return factors;
}

/// The layer whose second projection the module is. Names differ in what comes before the layers: models without their head, and
/// the text model inside of one that reads images, have other prefixes.
int layer_of(std::string const& module, CausalLM const& model, std::filesystem::path const& path) {
  auto const& family = model.config().family;
  auto const layers = static_cast<int>(model.config().layers);
  auto const body = without_prefix(module, family);
  for (int layer = 0; layer < layers; ++layer) {
    if (body == without_prefix(projection_module(model, layer), family)) return layer;
  }
  throw UserError(fmt::format(
      "The adapter {} changes '{}', but what is edited here is the second matrix of the MLP: '{}' and so on, up to layer {}.",
      path.string(), module, projection_module(model, 0), layers - 1));
}

/// Forms the product only where its entries could be too large for float32.
bool has_finite_product(at::Tensor const& left, at::Tensor const& right) {
  auto const largest = [](at::Tensor const& matrix) { return matrix.abs().max().item<double>(); };
  auto const bound = static_cast<double>(left.size(0)) * largest(left) * largest(right);
  if (bound < static_cast<double>(std::numeric_limits<float>::max())) return true;
  return at::matmul(left.t(), right).isfinite().all().item<bool>();
}

}  // namespace

FinishedEdit read_adapter(std::filesystem::path const& folder, CausalLM const& model) {
  LoraConfig const config(folder / adapter_config_file);
  auto const path = folder / adapter_weights_file;
  std::error_code unreadable;
  if (!std::filesystem::exists(path, unreadable)) {
    throw UserError("The adapter " + folder.string() + " has no " + adapter_weights_file +
                    ". Weights in a pickle (adapter_model.bin) are not read; save it with safe_serialization=True.");
  }
  std::map<int, WeightDelta> changes;
  for (auto const& [module, factors] : read_factors(path)) {
    auto const layer = layer_of(module, model, path);
    auto const weight = model.projection(layer).weight;
    if (factors.b.size(0) != weight.size(0) || factors.a.size(1) != weight.size(1)) {
      throw ShapeError(
          fmt::format("The adapter {} belongs to another model: its change of '{}' [out, in] is {} x {}, but the "
                      "model's matrix is {} x {}.",
                      path.string(), module, factors.b.size(0), factors.a.size(1), weight.size(0), weight.size(1)));
    }
    auto const scale = config.scale(module, factors.a.size(0));
    auto const left = (factors.b.t().to(at::kFloat) * scale).contiguous();
    if (!left.isfinite().all().item<bool>())
      throw UserError(fmt::format("The adapter {}: the factors of '{}' times {} are not finite.", path.string(), module, scale));
    auto const right = factors.a.to(at::kFloat).contiguous().clone();
    if (!has_finite_product(left, right)) {
      throw UserError(
          fmt::format("The adapter {}: the product of the factors of '{}' has entries that are not finite. The edit has "
                      "failed; remove it.",
                      path.string(), module));
    }
    if (!changes.emplace(layer, WeightDelta{layer, left, right, {}}).second)
      throw UserError("The adapter " + path.string() + " changes '" + module + "' under two names.");
  }
  FinishedEdit edit;
  for (auto& [layer, change] : changes) edit.changes.push_back(std::move(change));
  edit.base_model = config.base_model();
  return edit;
}

}  // namespace onemask
