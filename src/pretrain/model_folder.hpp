#pragma once

#include "pretrain/weights.hpp"
#include <onemask/checkpoint/config.hpp>

#include <filesystem>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace onemask {

/// Copies the files of a tokenizer that Hugging Face's loaders read. Throws UserError when `from` holds neither tokenizer.json
/// nor vocab.json, RunError when the disk fails.
void copy_tokenizer(std::filesystem::path const& from, std::filesystem::path const& to);

/// Writes model.safetensors, config.json and generation_config.json as Hugging Face's save_pretrained names them; equal weights
/// give equal bytes. `dtype`: "float16", "bfloat16" or "float32". Throws RunError naming the weight that does not fit into it.
void write_model(ModelConfig const& config, std::vector<Weight> const& weights, at::Tensor const& flat, std::string const& dtype,
                 std::filesystem::path const& folder);

}  // namespace onemask
