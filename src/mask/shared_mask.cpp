#include "mask/epoch_json.hpp"
#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/mask/baselines.hpp>
#include <onemask/mask/shared_mask.hpp>

#include <cmath>
#include <limits>

namespace onemask {

at::Tensor SharedMask::keep(MaskOptions const& options) const {
  if (!options.zeros) return keep(options.threshold);
  return largest_mask(soft.neg(), std::llround(*options.zeros * static_cast<double>(soft.numel())));
}

SharedMask consensus_of(std::vector<SharedMask> const& masks) {
  SharedMask consensus{masks.front().layers, 0, {}, {}};
  auto sum = at::zeros(masks.front().soft.sizes(), at::kDouble);
  for (auto const& mask : masks) {
    invariant(mask.layers == consensus.layers && mask.soft.sizes() == sum.sizes(), "a mask of ", mask.soft.numel(),
              " entries joins a consensus of ", sum.numel());
    sum += mask.soft;
  }
  consensus.soft = (sum / static_cast<double>(masks.size())).to(at::kFloat);
  return consensus;
}

at::Tensor packed_bits(at::Tensor const& keep) {
  constexpr std::int64_t bits = 8;
  auto const padded = at::constant_pad_nd(keep.reshape({-1}).to(at::kByte), {0, (bits - keep.numel() % bits) % bits});
  auto const values = at::arange(bits, at::kByte);
  return at::bitwise_left_shift(padded.view({-1, bits}), values).sum(1).to(at::kByte);
}

at::Tensor unpacked_bits(at::Tensor const& bits, at::IntArrayRef shape) {
  auto const values = at::bitwise_left_shift(at::ones({8}, at::kByte), at::arange(8, at::kByte));
  auto const entries = c10::multiply_integers(shape);
  return at::bitwise_and(bits.unsqueeze(1), values).ne(0).view({-1}).narrow(0, 0, entries).view(shape);
}

std::string to_bytes(SharedMask const& mask) {
  nlohmann::json const facts{{"layers", mask.layers}, {"seed", mask.seed}, {"epochs", mask.epochs}};
  return write_safetensors({{"soft", mask.soft}}, {{"mask", facts.dump()}});
}

SharedMask shared_mask_from_bytes(std::string bytes, std::string const& source) {
  auto const file = SafetensorsFile::parse(std::move(bytes), source);
  SharedMask mask;
  try {
    auto const facts = nlohmann::json::parse(file.metadata().at("mask"));
    mask.layers = facts.at("layers").get<std::vector<int>>();
    mask.seed = facts.at("seed").get<std::uint64_t>();
    mask.epochs = facts.at("epochs").get<std::vector<MaskEpoch>>();
  } catch (std::exception const& e) {
    throw UserError(source + " is not a shared mask: " + e.what() + ". Delete it; it will be made again.");
  }
  mask.soft = file.tensor("soft");
  auto const layers = std::ssize(mask.layers);
  if (layers == 0 || mask.soft.dim() != 2 || mask.soft.size(0) % layers != 0 || mask.soft.scalar_type() != at::kFloat) {
    throw UserError(
        source +
        " is not a shared mask: 'soft' must be a float32 matrix with as many rows for every layer. Delete it; it will be "
        "made again.");
  }
  return mask;
}

std::map<int, at::Tensor> masked_projections(CausalLM const& model, std::map<int, at::Tensor> weights,
                                             std::vector<int> const& layers, at::Tensor const& mask, Cover cover) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    auto const unedited = model.projection(layers[i]).weight;
    auto& weight = weights.try_emplace(layers[i], unedited).first->second;
    auto const own = mask.chunk(std::ssize(layers), 0)[i].to(weight.device());
    invariant(own.sizes() == weight.sizes(), "the mask of layer ", layers[i], " has ", own.numel(), " entries, its matrix ",
              weight.numel());
    if (cover == Cover::both) {
      weight = weight * own;
    } else if (cover == Cover::delta) {
      weight = weight * own + unedited * own.logical_not();
    } else {
      weight = weight - unedited * own.logical_not();
    }
  }
  return weights;
}

at::Tensor nothing_kept(CausalLM const& model, std::vector<int> const& layers) {
  auto const weight = model.projection(layers.front()).weight;
  return at::zeros({std::ssize(layers) * weight.size(0), weight.size(1)}, at::kBool);
}

double threshold_of(std::size_t step) {
  return static_cast<double>(step + 1) / 20;
}

double MaskEpoch::zeros_below(double threshold) const {
  for (std::size_t i = 0; i < zeros.size(); ++i) {
    if (threshold_of(i) == threshold) return zeros[i];
  }
  return std::numeric_limits<double>::quiet_NaN();
}

double zeros_share(at::Tensor const& keep) {
  return static_cast<double>(keep.logical_not().sum().item<std::int64_t>()) / static_cast<double>(keep.numel());
}

}  // namespace onemask
