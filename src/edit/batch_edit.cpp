#include "edit/outcome_json.hpp"
#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/core/error.hpp>
#include <onemask/edit/batch_edit.hpp>

#include <fmt/core.h>

namespace onemask {
namespace {

std::string name_of(int layer, char const* part) {
  return fmt::format("{}.{}", layer, part);
}

WeightDelta delta_of(SafetensorsFile const& file, int layer) {
  auto const matrix = [&](char const* part) {
    auto tensor = file.tensor(name_of(layer, part));
    if (tensor.dim() != 2 || tensor.scalar_type() != at::kFloat)
      throw UserError("'" + name_of(layer, part) + "' is not a float32 matrix");
    return tensor;
  };
  if (file.contains(name_of(layer, "dense"))) return {layer, {}, {}, matrix("dense")};
  WeightDelta delta{layer, matrix("left"), matrix("right"), {}};
  if (delta.left.size(0) != delta.right.size(0))
    throw UserError(fmt::format("left and right of layer {} have different ranks", layer));
  return delta;
}

}  // namespace

std::string to_bytes(BatchEdit const& edit) {
  std::map<std::string, at::Tensor> tensors;
  std::vector<int> layers, key_layers;
  for (auto const& delta : edit.deltas) {
    layers.push_back(delta.layer);
    if (delta.dense.defined()) {
      tensors[name_of(delta.layer, "dense")] = delta.dense;
    } else {
      tensors[name_of(delta.layer, "left")] = delta.left;
      tensors[name_of(delta.layer, "right")] = delta.right;
    }
  }
  for (auto const& [layer, keys] : edit.keys) {
    key_layers.push_back(layer);
    tensors[name_of(layer, "keys")] = keys;
  }
  nlohmann::json const facts{{"facts", edit.facts}, {"layers", layers}, {"key_layers", key_layers}};
  return write_safetensors(tensors, {{"batch_edit", facts.dump()}});
}

BatchEdit batch_edit_from_bytes(std::string bytes, std::string const& source) {
  auto const file = SafetensorsFile::parse(std::move(bytes), source);
  try {
    auto const facts = nlohmann::json::parse(file.metadata().at("batch_edit"));
    BatchEdit edit;
    edit.facts = facts.at("facts").get<std::vector<EditOutcome>>();
    for (auto layer : facts.at("layers").get<std::vector<int>>()) edit.deltas.push_back(delta_of(file, layer));
    for (auto layer : facts.at("key_layers").get<std::vector<int>>()) edit.keys[layer] = file.tensor(name_of(layer, "keys"));
    return edit;
  } catch (std::exception const& e) {
    throw UserError(source + " is not a batch edit: " + e.what() + ". Delete it; it will be made again.");
  }
}

}  // namespace onemask
