#pragma once

#include "support/golden_sources.hpp"
#include "support/golden_tolerances.hpp"
#include "support/test_device.hpp"
#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/core/file.hpp>
#include <onemask/model/causal_lm.hpp>
#include <onemask/model/device.hpp>
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

/// What a source holds. The program's numbers come from test_device() and have test_dtype().
class Golden {
 public:
  explicit Golden(GoldenSource source) : source_(std::move(source)) {
    set_threads(1);
    set_product_precision("float32");
  }
  ~Golden() { tell_deviations(source_.name); }

  nlohmann::json json(std::string const& name) const { return nlohmann::json::parse(read_file(source_.numbers / name)); }
  SafetensorsFile tensors(std::string const& name) const { return SafetensorsFile::open(source_.numbers / name); }

  std::unique_ptr<CausalLM> model() const {
    return load_causal_lm(Checkpoint::open(source_.checkpoint), {test_device(), test_dtype()});
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

/// |a - b|, and beyond 10 relative to that.
inline double logit_deviation(double value, double golden) {
  return std::abs(value - golden) / std::max(1.0, std::abs(golden) / 10);
}

}  // namespace onemask::test
