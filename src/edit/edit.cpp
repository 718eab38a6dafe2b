#include "edit/outcome_json.hpp"
#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/core/error.hpp>
#include <onemask/edit/edit.hpp>

#include <algorithm>

namespace onemask {

at::Tensor stacked_factors(std::vector<at::Tensor> const& factors) {
  std::int64_t rank = 0;
  for (auto const& factor : factors) rank = std::max(rank, factor.size(0));
  std::vector<at::Tensor> filled;
  for (auto const& factor : factors) {
    auto const missing = rank - factor.size(0);
    filled.push_back(missing == 0 ? factor : at::cat({factor, at::zeros({missing, factor.size(1)}, factor.options())}));
  }
  return at::stack(filled);
}

std::string to_bytes(Edit const& edit) {
  nlohmann::json facts(static_cast<EditOutcome const&>(edit));
  facts["layer"] = edit.layer;
  std::map<std::string, at::Tensor> tensors;
  if (edit.failure.empty()) tensors = {{"left", edit.left}, {"right", edit.right}};
  return write_safetensors(tensors, {{"edit", facts.dump()}});
}

Edit edit_from_bytes(std::string bytes, std::string const& source) {
  auto const file = SafetensorsFile::parse(std::move(bytes), source);
  Edit edit;
  try {
    auto const facts = nlohmann::json::parse(file.metadata().at("edit"));
    static_cast<EditOutcome&>(edit) = facts.get<EditOutcome>();
    edit.layer = facts.at("layer").get<int>();
  } catch (std::exception const& e) {
    throw UserError(source + " is not an edit: " + e.what() + ". Delete it; it will be made again.");
  }
  if (!edit.failure.empty()) return edit;
  edit.left = file.tensor("left");
  edit.right = file.tensor("right");
  bool const factors = edit.left.dim() == 2 && edit.right.dim() == 2 && edit.left.size(0) == edit.right.size(0) &&
                       edit.left.scalar_type() == at::kFloat && edit.right.scalar_type() == at::kFloat;
  if (!factors)
    throw UserError(source + " is not an edit: left and right must be float32 [rank, out] and [rank, in]. Delete it.");
  return edit;
}

}  // namespace onemask
