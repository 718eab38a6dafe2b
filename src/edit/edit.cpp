#include <onemask/core/error.hpp>
#include <onemask/edit/edit.hpp>
#include <onemask/model/safetensors.hpp>

#include <nlohmann/json.hpp>

namespace onemask {

std::string to_bytes(Edit const& edit) {
  nlohmann::json const facts{{"case_id", edit.case_id}, {"layer", edit.layer},          {"steps", edit.steps},
                             {"loss", edit.loss},       {"p_new", edit.p_new},          {"delta_norm", edit.delta_norm},
                             {"failure", edit.failure}, {"value_norm", edit.value_norm}};
  std::map<std::string, at::Tensor> tensors;
  if (edit.failure.empty()) tensors = {{"left", edit.left}, {"right", edit.right}};
  // Not finite numbers would be null in JSON; they occur only beside a failure, whose text says so.
  return write_safetensors(tensors, {{"edit", facts.dump()}});
}

Edit edit_from_bytes(std::string bytes, std::string const& source) {
  auto const file = SafetensorsFile::parse(std::move(bytes), source);
  Edit edit;
  try {
    auto const facts = nlohmann::json::parse(file.metadata().at("edit"));
    auto const number = [&](char const* name) { return facts.at(name).is_null() ? 0.0 : facts.at(name).get<double>(); };
    edit.case_id = facts.at("case_id").get<std::int64_t>();
    edit.layer = facts.at("layer").get<int>();
    edit.steps = facts.at("steps").get<int>();
    edit.loss = number("loss");
    edit.p_new = number("p_new");
    edit.delta_norm = number("delta_norm");
    edit.value_norm = number("value_norm");
    edit.failure = facts.at("failure").get<std::string>();
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
