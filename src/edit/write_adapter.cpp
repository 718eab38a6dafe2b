#include <onemask/checkpoint/checkpoint.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/edit/adapter.hpp>
#include <onemask/edit/low_rank.hpp>
#include <onemask/model/new_folder.hpp>
#include <onemask/model/rewrite.hpp>

#include <algorithm>
#include <map>
#include <string_view>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

double frobenius(at::Tensor const& matrix) {
  return matrix.to(at::kDouble).norm().item<double>();
}

/// The factors of a change, of at most `rank`.
LowRank factors_of(WeightDelta const& change, std::string const& module, std::int64_t rank) {
  bool const dense = change.dense.defined();
  if (!dense && (rank == 0 || change.left.size(0) <= rank)) return {change.left, change.right, 0};
  if (rank == 0) {
    throw UserError(fmt::format(
        "The change of {} is a matrix and not a product of two, as an adapter has it. Give --rank R: then the nearest matrix of "
        "rank R is written, and what it leaves out is printed. At R = {} it leaves out nothing.",
        module, std::min(change.dense.size(0), change.dense.size(1))));
  }
  auto const matrix = change.matrix();
  if (!matrix.isfinite().all().item<bool>()) throw UserError("The change of " + module + " has entries that are not finite.");
  return low_rank(matrix, rank);
}

at::Tensor rounded(at::Tensor const& factor, at::ScalarType dtype, std::string const& module) {
  auto const written = factor.to(dtype);
  if (written.isfinite().all().item<bool>()) return written;
  throw UserError(fmt::format(
      "The factors of {} would have entries that are not finite in {}. Nothing was written; choose another type, float32 for "
      "example.",
      module, c10::toString(dtype)));
}

std::string config_text(CausalLM const& model, std::vector<AdapterPart> const& parts, std::string const& base_model) {
  std::int64_t rank = 0;
  for (auto const& part : parts) rank = std::max(rank, part.rank);
  auto modules = nlohmann::ordered_json::array();
  auto others = nlohmann::ordered_json::object();
  for (auto const& part : parts) {
    modules.push_back(part.module);
    if (part.rank != rank) others[part.module] = part.rank;
  }
  // PEFT multiplies B A by lora_alpha / r.
  nlohmann::ordered_json const config{
      {"peft_type", "LORA"},
      {"task_type", "CAUSAL_LM"},
      {"base_model_name_or_path", base_model},
      {"inference_mode", true},
      {"r", rank},
      {"lora_alpha", rank},
      {"lora_dropout", 0.0},
      {"rank_pattern", others},
      {"alpha_pattern", others},
      {"target_modules", modules},
      {"fan_in_fan_out", !model.projection(0).weight.is_contiguous()},  // GPT-2 stores [in, out]
      {"bias", "none"},
      {"modules_to_save", nullptr},
      {"init_lora_weights", true},
  };
  return config.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string projection_module(CausalLM const& model, int layer) {
  constexpr std::string_view weight = ".weight";
  auto name = model.projection(layer).name;
  invariant(name.ends_with(weight), "a projection is named '", name, "'");
  name.resize(name.size() - weight.size());
  auto const& config = model.config();
  return config.module_prefix.empty() ? name : config.module_prefix + without_prefix(name, config.family);
}

std::vector<AdapterPart> write_adapter(CausalLM const& model, std::vector<WeightDelta> const& changes,
                                       AdapterOptions const& options, std::filesystem::path const& folder) {
  auto const dtype = storage_dtype(options.dtype).value_or(at::kFloat);
  NewFolder target(folder);
  std::vector<AdapterPart> parts;
  std::map<std::string, at::Tensor> tensors;
  for (auto const& change : changes) {
    auto const module = projection_module(model, change.layer);
    auto const weight = model.projection(change.layer).weight;
    auto const factors = factors_of(change, module, options.rank);
    if (factors.left.size(1) != weight.size(0) || factors.right.size(1) != weight.size(1)) {
      throw ShapeError(
          fmt::format("The change of {} [out, in] is {} x {}, but the model's matrix is {} x {}. Give the model that "
                      "was edited.",
                      module, factors.left.size(1), factors.right.size(1), weight.size(0), weight.size(1)));
    }
    auto const b = rounded(factors.left.t().contiguous(), dtype, module), a = rounded(factors.right, dtype, module);
    auto const written = at::matmul(b.to(at::kDouble), a.to(at::kDouble));
    auto const wanted = change.dense.defined() ? change.dense.to(at::kDouble)
                                               : at::matmul(change.left.t().to(at::kDouble), change.right.to(at::kDouble));
    auto const norm = frobenius(written), whole = frobenius(wanted);
    parts.push_back({module, a.size(0), norm, norm / frobenius(weight), whole > 0 ? frobenius(wanted - written) / whole : 0});
    auto const name = "base_model.model." + module;
    tensors.emplace(name + ".lora_A.weight", a);
    tensors.emplace(name + ".lora_B.weight", b);
  }
  if (std::none_of(parts.begin(), parts.end(), [](auto const& part) { return part.norm > 0; }))
    throw RunError("Nothing was written: no entry of the model's matrices changes.");
  save_safetensors(target.path() / adapter_weights_file, tensors, {{"format", "pt"}});
  write_file_atomically(target.path() / adapter_config_file, config_text(model, parts, options.base_model));
  target.appear();
  return parts;
}

}  // namespace onemask
