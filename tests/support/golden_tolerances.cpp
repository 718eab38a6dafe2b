#include "support/golden_tolerances.hpp"

#include "support/test_device.hpp"

#include <iostream>
#include <map>
#include <utility>

#include <ATen/Context.h>

namespace onemask::test {
namespace {

struct Deviation {
  double largest, permitted;

  bool too_large() const { return !(largest <= permitted); }  // also where it is not a number
};

std::map<std::string, Deviation> deviations;
bool planted = false;

struct PlantedTf32 {
  PlantedTf32() {
    deviations.clear();
    planted = true;
    at::globalContext().setFloat32MatmulPrecision("high");
  }
  ~PlantedTf32() {
    at::globalContext().setFloat32MatmulPrecision("highest");
    planted = false;
  }
};

}  // namespace

double Tolerance::permitted() const {
  auto const type = test_dtype();
  return type == c10::kBFloat16 ? bfloat16 : type == c10::kHalf ? float16 : float32;
}

testing::AssertionResult within(Tolerance const& tolerance, double deviation) {
  Deviation const found{deviation, tolerance.permitted()};
  auto& kept = deviations.try_emplace(tolerance.kind, found).first->second;
  if (!(deviation <= kept.largest)) kept = found;
  if (planted || !found.too_large()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << tolerance.kind << " deviate by " << deviation << ", but only " << found.permitted
                                     << " is permitted in " << c10::toString(test_dtype());
}

void tell_deviations(std::string const& source) {
  for (auto const& [kind, deviation] : std::exchange(deviations, {}))
    std::cout << source << ": " << kind << " deviate by " << deviation.largest << ", permitted " << deviation.permitted << "\n";
}

void expect_tf32_is_noticed(std::vector<Tolerance> const& kinds, std::function<void()> const& compare) {
  if (test_device().is_cpu() || test_dtype() != c10::kFloat) GTEST_SKIP() << "no float32 on a device that has TF32";
  {
    PlantedTf32 const defect;
    compare();
  }
  for (auto const& kind : kinds) EXPECT_TRUE(deviations.at(kind.kind).too_large()) << kind.kind;
  deviations.clear();  // those of a defect are not worth telling
}

}  // namespace onemask::test
