// Prints the attention probabilities of a model: FOLDER; a line of stdin is a list of token ids, a line of stdout a list by
// layer, head, query and key.

#include <onemask/checkpoint/checkpoint.hpp>
#include <onemask/model/pass.hpp>

#include <iostream>
#include <string>
#include <vector>

#include <c10/core/GradMode.h>
#include <nlohmann/json.hpp>

namespace {

nlohmann::json nested(at::Tensor const& tensor) {
  if (tensor.dim() == 0) return tensor.item<double>();
  auto list = nlohmann::json::array();
  for (std::int64_t i = 0; i < tensor.size(0); ++i) list.push_back(nested(tensor[i]));
  return list;
}

}  // namespace

int main(int count, char** words) {
  using namespace onemask;
  if (count != 2) return 2;
  c10::NoGradGuard const no_gradients;
  auto const model = load_causal_lm(Checkpoint::open(words[1]), {at::kCPU, at::kFloat});
  for (std::string line; std::getline(std::cin, line);) {
    auto const packed = pack_rows({nlohmann::json::parse(line).get<std::vector<std::int64_t>>()}, at::kCPU);
    Pass const pass(*model, packed.layout);
    auto residual = pass.embed(packed.ids);
    auto layers = nlohmann::json::array();
    for (int layer = 0; layer < model->config().layers; ++layer) {
      layers.push_back(nested(pass.attention(layer, residual)[0]));
      residual = pass.run(layer, layer, residual);
    }
    std::cout << layers.dump() << '\n';
  }
}
