#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/log.hpp>
#include <onemask/model/new_folder.hpp>
#include <onemask/model/rewrite.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include <ATen/ATen.h>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

constexpr char const* config_file = "config.json";
constexpr char const* single_file = "model.safetensors";
constexpr char const* index_file = "model.safetensors.index.json";

constexpr std::array<std::pair<std::string_view, at::ScalarType>, 4> dtypes{
    {{"float32", at::kFloat}, {"float16", at::kHalf}, {"bfloat16", at::kBFloat16}, {"float64", at::kDouble}}};

std::string name_of(at::ScalarType dtype) {
  for (auto const& [text, known] : dtypes)
    if (known == dtype) return std::string(text);
  return c10::toString(dtype);
}

at::Tensor as_written(at::Tensor const& tensor, std::optional<at::ScalarType> dtype) {
  return dtype && is_weight_type(tensor.scalar_type()) ? tensor.to(*dtype) : tensor;
}

/// Entries that are finite in the source stay so.
void expect_fits(std::string const& name, at::Tensor const& source, at::Tensor const& written) {
  if (at::isfinite(written).logical_or(at::isfinite(source).logical_not()).all().item<bool>()) return;
  throw UserError("The tensor '" + name + "' would have entries that are not finite in " + name_of(written.scalar_type()) +
                  ". Nothing was written; choose another type, float32 for example.");
}

std::string sha256_of(at::Tensor const& tensor) {
  auto const whole = tensor.contiguous();
  return sha256({static_cast<char const*>(whole.const_data_ptr()), whole.nbytes()});
}

/// `before` in the source's type, `after` in the one that is written.
TensorChange change_of(std::string const& name, std::string const& file, at::Tensor const& before, at::Tensor const& after) {
  auto const old = before.to(after.scalar_type()).to(at::kDouble);
  auto const change = after.to(at::kDouble) - old;
  double const norm = change.norm().item<double>();
  return {name,
          file,
          after.sizes().vec(),
          name_of(after.scalar_type()),
          norm,
          norm / old.norm().item<double>(),
          change.abs().max().item<double>(),
          sha256_of(before),
          sha256_of(after)};
}

/// Tensors as they are written, by stored name, and how they differ.
struct Rewritten {
  std::map<std::string, at::Tensor> tensors;
  std::vector<TensorChange> changes;
};

Rewritten rewritten_projections(Checkpoint const& source, CausalLM const& model, std::map<int, at::Tensor> const& projections,
                                std::optional<at::ScalarType> dtype) {
  Rewritten result;
  for (auto const& [layer, weight] : projections) {
    auto const projection = model.projection(layer);
    invariant(weight.sizes() == projection.weight.sizes(), "layer ", layer, " is written with ", weight.numel(),
              " entries instead of ", projection.weight.numel());
    auto const name = source.stored_name(projection.name);
    auto const& file = source.file_name_of(name);
    auto const before = source.file_of(name).tensor(name);
    // The model shows a transposed view of what GPT-2 stores as [in, out].
    auto const exact = (projection.weight.is_contiguous() ? weight : weight.t()).reshape(before.sizes());
    auto const after = exact.to(dtype.value_or(before.scalar_type())).contiguous();
    expect_fits(name, before, after);
    if (at::equal(after, before.to(after.scalar_type()))) {
      log_warning("The tensor '" + name + "' is unchanged: no entry changes in " + name_of(after.scalar_type()) + ".");
      continue;
    }
    result.changes.push_back(change_of(name, file, before, after));
    result.tensors.emplace(name, after);
  }
  if (result.changes.empty()) {
    throw RunError("Nothing was written: no entry of the model's matrices changes" +
                   std::string(projections.empty() ? "." : " once it is rounded to the type it is stored in."));
  }
  return result;
}

void copy_one(std::filesystem::path const& from, std::filesystem::path const& to) {
  std::error_code error;
  std::filesystem::create_directories(to.parent_path(), error);
  if (!error) std::filesystem::copy_file(from, to, error);
  if (error) {
    throw RunError("Cannot copy '" + from.string() + "': " + error.message() +
                   ". Nothing was left behind; check the disk and run the same command again.");
  }
}

void link_or_copy_file(std::filesystem::path const& from, std::filesystem::path const& to) {
  std::error_code error;
  auto const file = std::filesystem::canonical(from, error);  // a link to a link could lead nowhere from the new place
  if (!error) std::filesystem::create_hard_link(file, to, error);
  if (error) copy_one(from, to);
}

void write_weights(Checkpoint const& source, std::map<std::string, at::Tensor> const& rewritten,
                   std::optional<at::ScalarType> dtype, std::filesystem::path const& folder) {
  for (auto const& [file_name, file] : source.files()) {
    std::map<std::string, at::Tensor> tensors;
    auto metadata = file.metadata();
    bool changes = metadata.try_emplace("format", "pt").second;  // transformers loads no file that lacks it
    std::string unread;
    for (auto const& name : file.names()) {
      if (!file.reads(name)) {
        unread = name;
        continue;
      }
      auto const stored = file.tensor(name);
      auto const found = rewritten.find(name);
      auto const written = found == rewritten.end() ? as_written(stored, dtype) : found->second;
      if (!written.is_same(stored)) {
        changes = true;
        if (found == rewritten.end()) expect_fits(name, stored, written);
      }
      tensors.emplace(name, written);
    }
    if (changes && !unread.empty()) {
      throw UserError(
          fmt::format("The file {} has to be written anew, but its tensor '{}' is of the type '{}', which cannot be "
                      "written. Nothing was written; remove this tensor, or convert it, to F32 for example.",
                      (source.folder() / file_name).string(), unread, file.stored(unread).type));
    }
    if (changes) {
      save_safetensors(folder / file_name, tensors, metadata);
    } else {
      link_or_copy_file(source.folder() / file_name, folder / file_name);
    }
  }
}

/// Weights in formats that are not read here, or that the checkpoint does not use: unedited ones.
bool holds_other_weights(Checkpoint const& source, std::filesystem::path const& name) {
  constexpr std::array<std::string_view, 13> formats{".safetensors", ".bin", ".pt",   ".pth",  ".ckpt",   ".pkl",    ".pickle",
                                                     ".h5",          ".ot",  ".onnx", ".gguf", ".tflite", ".msgpack"};
  auto const text = name.string();
  if (text.ends_with(".index.json")) return text != index_file || source.files().contains(single_file);
  return std::find(formats.begin(), formats.end(), name.extension().string()) != formats.end();
}

/// All but weights and hidden folders.
void copy_other_files(Checkpoint const& source, std::filesystem::path const& folder) {
  std::error_code error;
  auto entry = std::filesystem::recursive_directory_iterator(source.folder(), error);
  for (; !error && entry != std::filesystem::recursive_directory_iterator(); entry.increment(error)) {
    auto const name = entry->path().lexically_relative(source.folder());
    std::error_code dangling;
    if (entry->is_directory(dangling) && name.filename().string().starts_with('.')) entry.disable_recursion_pending();
    if (entry->is_regular_file(dangling) && !holds_other_weights(source, name)) copy_one(entry->path(), folder / name);
  }
  if (error) throw UserError("Cannot list the folder '" + source.folder().string() + "': " + error.message() + ".");
}

nlohmann::ordered_json read_json(std::filesystem::path const& file) {
  try {
    return nlohmann::ordered_json::parse(read_file(file));
  } catch (nlohmann::json::exception const& error) {
    throw UserError(file.string() + " cannot be read as JSON: " + error.what() + ".");
  }
}

/// States the type in a configuration that has one, and in those inside of it, such as that of a text model.
void restate_types(nlohmann::ordered_json& config, std::string const& dtype) {
  for (auto const* field : {"torch_dtype", "dtype"})
    if (config.contains(field)) config[field] = dtype;
  for (auto& value : config)
    if (value.is_object()) restate_types(value, dtype);
}

/// The types and sizes that configuration and index state.
void restate_dtype(Checkpoint const& written, std::string const& dtype) {
  auto const& folder = written.folder();
  auto config = read_json(folder / config_file);
  restate_types(config, dtype);
  if (!config.contains("dtype")) config["torch_dtype"] = dtype;
  write_file_atomically(folder / config_file, config.dump(2) + "\n");
  if (written.files().contains(single_file)) return;
  auto index = read_json(folder / index_file);
  if (!index.contains("metadata") || !index["metadata"].is_object() || !index["metadata"].contains("total_size")) return;
  index["metadata"]["total_size"] = written.bytes();
  write_file_atomically(folder / index_file, index.dump(2) + "\n");
}

}  // namespace

std::optional<at::ScalarType> storage_dtype(std::string const& name) {
  if (name == "keep") return std::nullopt;
  for (auto const& [text, dtype] : dtypes)
    if (text == name && dtype != at::kDouble) return dtype;
  throw UserError("Weights cannot be stored as '" + name + "'; choose keep, float32, float16 or bfloat16.");
}

std::unique_ptr<CausalLM> load_as_stored(Checkpoint const& checkpoint) {
  std::optional<at::ScalarType> dtype;
  for (auto const& [type, count] : checkpoint.weights()) dtype = dtype ? c10::promoteTypes(*dtype, type) : type;
  return load_causal_lm(checkpoint, {at::kCPU, dtype.value_or(at::kFloat)});
}

std::vector<TensorChange> rewrite_checkpoint(Checkpoint const& source, CausalLM const& model,
                                             std::map<int, at::Tensor> const& projections, std::string const& dtype,
                                             std::filesystem::path const& folder) {
  auto const new_dtype = storage_dtype(dtype);
  require_outside(folder, source.folder());
  NewFolder target(folder);
  auto const rewritten = rewritten_projections(source, model, projections, new_dtype);
  write_weights(source, rewritten.tensors, new_dtype, target.path());
  copy_other_files(source, target.path());
  if (new_dtype) restate_dtype(Checkpoint::open(target.path()), dtype);
  target.appear();
  return rewritten.changes;
}

}  // namespace onemask
