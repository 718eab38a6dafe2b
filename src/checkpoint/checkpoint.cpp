#include "checkpoint/families.hpp"
#include "checkpoint/json.hpp"
#include <onemask/checkpoint/checkpoint.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/model_folder.hpp>
#include <onemask/core/text.hpp>

#include <algorithm>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>
#include <vector>

#include <ATen/ATen.h>

namespace onemask {
namespace {

constexpr char const* single_file = "model.safetensors";
constexpr char const* index_file = "model.safetensors.index.json";

bool there(std::filesystem::path const& path) {
  std::error_code unreadable;
  return std::filesystem::exists(path, unreadable);
}

[[noreturn]] void refuse_folder(std::filesystem::path const& folder) {
  for (auto const* pickle : {"pytorch_model.bin", "pytorch_model.bin.index.json"})
    if (there(folder / pickle))
      throw UserError(
          folder.string() + ": the weights exist only as a pickle (" + pickle +
          "). A pickle can run any program when it is read, so onemask does not read it. If you trust it, convert it: python3 -c "
          "\"from transformers import AutoModelForCausalLM as M; M.from_pretrained('OLD').save_pretrained('NEW', "
          "safe_serialization=True)\".");
  auto const nothing = folder.string() + ": there is neither " + single_file + " nor " + index_file;
  std::error_code unreadable;
  std::vector<std::string> others;
  for (std::filesystem::directory_iterator entry(folder, unreadable), end; !unreadable && entry != end;
       entry.increment(unreadable)) {
    auto const name = entry->path().filename().string();
    if ((name == single_file || name == index_file) && entry->is_symlink(unreadable))
      throw UserError(folder.string() + ": " + name + " is a link to '" +
                      std::filesystem::read_symlink(entry->path(), unreadable).string() +
                      "', which is missing; fetch the checkpoint again.");
    if (name.ends_with(".safetensors")) others.push_back(name);
  }
  if (others.empty()) throw UserError(nothing + "; name the folder of a Hugging Face checkpoint.");
  std::sort(others.begin(), others.end());
  throw UserError(nothing + ", but " + others.front() + (others.size() > 1 ? " and others" : "") +
                  ". If it is one file with all weights, rename it to " + single_file +
                  "; if the weights are in several, fetch " + index_file + " as well.");
}

/// A name of a file in the same folder: an index must not lead anywhere else.
bool is_plain_file_name(std::string const& name) {
  return name.ends_with(".safetensors") && name.find_first_of(std::string("/\\\0", 3)) == std::string::npos;
}

std::string shape_text(at::IntArrayRef shape) {
  std::ostringstream text;
  text << shape;
  return text.str();
}

void hash_config(Hasher& hasher, ModelConfig const& config) {
  hasher.text(config.family).text(config.activation).number(config.norm_epsilon).number(config.rope_theta);
  for (auto value : {config.layers, config.hidden, config.heads, config.kv_heads, config.head_dim, config.inner,
                     config.vocabulary, config.positions, config.bos.value_or(-1), config.eos.value_or(-1)})
    hasher.integer(value);
  for (bool value : {config.tied_head, config.scale_attention, config.scale_attention_by_inverse_layer, config.attention_bias,
                     config.mlp_bias, config.rope_scaling.has_value()})
    hasher.integer(value);
  if (config.rope_scaling) {
    auto const& scaling = *config.rope_scaling;
    hasher.number(scaling.factor).number(scaling.low_frequency_factor).number(scaling.high_frequency_factor);
    hasher.integer(scaling.original_positions);
  }
  // Hashed only where they are set, so that checkpoints without them keep their fingerprints.
  if (config.sliding_window) hasher.text("sliding_window").integer(*config.sliding_window);
  if (config.qkv_bias) hasher.text("qkv_bias");
  if (config.rotary_dim > 0) hasher.text("rotary_dim").integer(config.rotary_dim);
  for (auto divisor : config.rope_divisors) hasher.text("rope_divisor").number(divisor);
  if (config.rope_amplitude != 1) hasher.text("rope_amplitude").number(config.rope_amplitude);
  if (config.local_rope_theta > 0) hasher.text("local_rope_theta").number(config.local_rope_theta);
  for (auto windowed : config.windowed) hasher.text("windowed").integer(windowed);
  if (config.query_scalar > 0) hasher.text("query_scalar").number(config.query_scalar);
  if (config.score_cap) hasher.text("score_cap").number(*config.score_cap);
  if (config.logit_cap) hasher.text("logit_cap").number(*config.logit_cap);
  if (!config.parallel_residual) hasher.text("sequential_residual");
}

}  // namespace

std::string without_prefix(std::string const& name, std::string const& family) {
  std::size_t longest = 0;
  for (auto const& prefix : weight_prefixes(family))
    if (name.starts_with(prefix)) longest = std::max(longest, prefix.size());
  return name.substr(longest);
}

Checkpoint Checkpoint::open(std::filesystem::path const& folder) {
  require_model_folder(folder);
  Checkpoint checkpoint(folder, read_model_config(folder));
  if (there(folder / single_file)) {
    checkpoint.add_file();
  } else if (there(folder / index_file)) {
    checkpoint.add_shards();
  } else {
    refuse_folder(folder);
  }
  checkpoint.check_tied_head();
  return checkpoint;
}

/// Versions of transformers read such files in two ways: the file's unembedding is used, or passed over.
void Checkpoint::check_tied_head() const {
  if (!config_.tied_head) return;
  std::string embedding, head;
  for (auto const* name : {"wte.weight", "embed_tokens.weight", "embed_in.weight"})
    if (embedding.empty()) embedding = stored_name(name);
  for (auto const* name : {"lm_head.weight", "embed_out.weight"})
    if (head.empty()) head = stored_name(name);
  if (embedding.empty() || head.empty() || stored(embedding) == stored(head)) return;
  throw UserError(folder_.string() + ": config.json says that the unembedding is the embedding (tie_word_embeddings), but '" +
                  head + "' differs from '" + embedding + "'. Set tie_word_embeddings to false to use both, or take '" + head +
                  "' out of the file.");
}

void Checkpoint::add_file() {
  auto const& file = files_.emplace(single_file, SafetensorsFile::open(folder_ / single_file)).first->second;
  for (auto const& name : file.names()) file_of_.emplace(name, single_file);
}

void Checkpoint::add_shards() {
  auto const where = (folder_ / index_file).string();
  auto const index = detail::parse_json_object(read_file(folder_ / index_file), where);
  auto const weights = index.find("weight_map");
  if (weights == index.end() || !weights->is_object())
    throw UserError(where + ": there is no object 'weight_map', which says where each tensor is; fetch the file again.");
  for (auto const& [tensor, shard] : weights->items()) {
    if (!shard.is_string() || !is_plain_file_name(shard.get<std::string>()))
      throw UserError(where + ": tensor '" + tensor + "' should be in " + detail::excerpt(shard) +
                      ", which is not the name of a .safetensors file in this folder; fetch the file again.");
    auto const name = shard.get<std::string>();
    auto found = files_.find(name);
    if (found == files_.end()) {
      if (!there(folder_ / name))
        throw UserError(where + ": the file '" + name + "', which should hold tensor '" + tensor +
                        "', is missing; fetch it as well.");
      found = files_.emplace(name, SafetensorsFile::open(folder_ / name)).first;
    }
    if (!found->second.contains(tensor))
      throw UserError(where + ": tensor '" + tensor + "' is not in '" + name +
                      "'; index and files do not belong to one checkpoint. Fetch them again.");
    file_of_.emplace(tensor, name);
  }
}

std::string Checkpoint::stored_name(std::string const& name) const {
  if (file_of_.contains(name)) return name;
  auto const body = without_prefix(name, config_.family);
  for (auto const& prefix : weight_prefixes(config_.family))
    if (file_of_.contains(prefix + body)) return prefix + body;
  return file_of_.contains(body) ? body : "";
}

bool Checkpoint::contains(std::string const& name) const {
  return !stored_name(name).empty();
}

at::Tensor Checkpoint::tensor(std::string const& name, at::IntArrayRef shape) const {
  auto const stored = stored_name(name);
  if (stored.empty())
    throw UserError(folder_.string() + ": the checkpoint has no tensor '" + name +
                    "'; its config.json belongs to another model, or a file is incomplete." + did_you_mean(name, names()));
  auto tensor = file_of(stored).tensor(stored);
  if (!is_weight_type(tensor.scalar_type()))
    throw UserError(folder_.string() + ": tensor '" + stored + "' is of type " + c10::toString(tensor.scalar_type()) +
                    ", a weight must be of the type F64, F32, F16 or BF16; use a checkpoint that is not quantised.");
  if (tensor.sizes() != shape)
    throw ShapeError(folder_.string() + ": tensor '" + stored + "' has the shape " + shape_text(tensor.sizes()) +
                     ", but config.json asks for " + shape_text(shape) + "; the two do not belong to one checkpoint.");
  return tensor;
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  for (auto const& [name, file] : file_of_) names.push_back(name);
  return names;
}

bool is_weight_type(at::ScalarType type) {
  return type == at::kDouble || type == at::kFloat || type == at::kHalf || type == at::kBFloat16;
}

std::uint64_t Checkpoint::bytes() const {
  std::uint64_t bytes = 0;
  for (auto const& [name, file] : file_of_) bytes += files_.at(file).stored(name).bytes.size();
  return bytes;
}

std::map<at::ScalarType, std::uint64_t> Checkpoint::weights() const {
  std::map<at::ScalarType, std::uint64_t> counts;
  for (auto const& [name, file] : files_) {
    for (auto const& tensor_name : file.names()) {
      if (!file.reads(tensor_name)) continue;
      auto const tensor = file.tensor(tensor_name);
      if (is_weight_type(tensor.scalar_type())) counts[tensor.scalar_type()] += static_cast<std::uint64_t>(tensor.numel());
    }
  }
  return counts;
}

std::string const& Checkpoint::fingerprint() const {
  if (!fingerprint_.empty()) return fingerprint_;
  Hasher hasher;
  hasher.text("checkpoint 1");
  hash_config(hasher, config_);
  for (auto const& [name, file] : file_of_) {
    if (!files_.at(file).reads(name)) {
      auto const stored = files_.at(file).stored(name);
      hasher.text(name).text(stored.type).text(shape_text(stored.shape)).bytes(stored.bytes.data(), stored.bytes.size());
      continue;
    }
    auto const tensor = files_.at(file).tensor(name);
    hasher.text(name).text(c10::toString(tensor.scalar_type())).text(shape_text(tensor.sizes()));
    hasher.bytes(tensor.const_data_ptr(), tensor.nbytes());
  }
  return fingerprint_ = hasher.hex();
}

}  // namespace onemask
