#pragma once

#include "support/golden_sources.hpp"
#include "support/test_device.hpp"
#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/core/file.hpp>
#include <onemask/model/causal_lm.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace onemask::test {

/// What a source holds.
class Golden {
 public:
  explicit Golden(GoldenSource source) : source_(std::move(source)) { set_threads(1); }

  nlohmann::json json(std::string const& name) const { return nlohmann::json::parse(read_file(source_.numbers / name)); }
  SafetensorsFile tensors(std::string const& name) const { return SafetensorsFile::open(source_.numbers / name); }

  std::unique_ptr<CausalLM> model() const {
    return load_causal_lm(Checkpoint::open(source_.checkpoint), {test_device(), at::kFloat});
  }
  Tokenizer tokenizer() const { return Tokenizer::open(source_.checkpoint); }

 private:
  GoldenSource source_;
};

/// A test on every source.
class GoldenTest : public testing::TestWithParam<GoldenSource>, protected Golden {
 protected:
  GoldenTest() : Golden(GetParam()) {}
};

/// Those rows of a matrix that are stored: of a large one every n-th.
inline at::Tensor stored_rows(at::Tensor const& matrix, at::Tensor const& stored) {
  return matrix.slice(0, 0, std::nullopt, matrix.size(0) / stored.size(0));
}

/// |a - b| / |b|
inline double relative_error(at::Tensor const& a, at::Tensor const& b) {
  auto const right = b.to(at::kCPU, at::kDouble);
  return ((a.to(at::kCPU, at::kDouble) - right).norm() / right.norm()).item<double>();
}

/// Within the golden tolerance of logits: 1e-4 relative or 1e-3 absolute, whichever is larger.
inline void expect_logit_near(double value, double golden) {
  EXPECT_NEAR(value, golden, std::max(1e-3, 1e-4 * std::abs(golden)));
}

}  // namespace onemask::test
