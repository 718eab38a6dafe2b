#pragma once

#include "support/shared_files.hpp"
#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/core/file.hpp>
#include <onemask/model/causal_lm.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <memory>
#include <string>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace onemask::test {

/// A test on the golden numbers: skips, saying so, where they are absent.
class GoldenTest : public testing::Test {
 protected:
  void SetUp() override {
    auto const shared = shared_folder();
    if (!shared) GTEST_SKIP() << "the folder shared/ with the golden numbers is not there; set ONEMASK_SHARED to it";
    shared_ = *shared;
    set_threads(1);
  }

  nlohmann::json json(std::string const& name) const { return nlohmann::json::parse(read_file(shared_ / "golden" / name)); }
  SafetensorsFile tensors(std::string const& name) const { return SafetensorsFile::open(shared_ / "golden" / name); }

  std::unique_ptr<CausalLM> model(std::string const& name = "cf-gpt2") const {
    return load_causal_lm(Checkpoint::open(shared_ / "checkpoints" / name), {at::kCPU, at::kFloat});
  }
  Tokenizer tokenizer(std::string const& name = "cf-gpt2") const { return Tokenizer::open(shared_ / "checkpoints" / name); }

  std::filesystem::path shared_;
};

/// |a - b| / |b|
inline double relative_error(at::Tensor const& a, at::Tensor const& b) {
  return ((a.to(at::kDouble) - b.to(at::kDouble)).norm() / b.to(at::kDouble).norm()).item<double>();
}

/// Within the golden tolerance of logits: 1e-4 relative or 1e-3 absolute, whichever is larger.
inline void expect_logit_near(double value, double golden) {
  EXPECT_NEAR(value, golden, std::max(1e-3, 1e-4 * std::abs(golden)));
}

}  // namespace onemask::test
