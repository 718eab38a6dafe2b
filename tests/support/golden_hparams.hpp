#pragma once

#include <onemask/settings/edit_hparams.hpp>

#include <vector>

#include <nlohmann/json.hpp>

namespace onemask::test {

/// Settings of an edit that golden numbers name; the method and the adjustment of keys are left to the test.
inline EditHparams golden_hparams(nlohmann::json const& named) {
  EditHparams hparams;
  hparams.layers = named.at("layers").get<std::vector<int>>();
  hparams.v_num_grad_steps = named.at("v_num_grad_steps").get<int>();
  hparams.v_lr = named.at("v_lr").get<double>();
  hparams.v_loss_layer = named.at("v_loss_layer").get<int>();
  hparams.v_weight_decay = named.at("v_weight_decay").get<double>();
  hparams.clamp_norm_factor = named.at("clamp_norm_factor").get<double>();
  hparams.kl_factor = named.at("kl_factor").get<double>();
  return hparams;
}

}  // namespace onemask::test
