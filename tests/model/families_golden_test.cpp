#include "support/golden_tolerances.hpp"
#include "support/shared_files.hpp"
#include "support/test_device.hpp"
#include "support/tiny_model.hpp"
#include <onemask/core/file.hpp>
#include <onemask/model/pass.hpp>

#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace onemask::test {
namespace {

using nlohmann::json;

json const& golden_families() {
  static json const all = json::parse(read_file(source_folder() / "tests" / "golden" / "families.json"));
  return all;
}

std::vector<std::string> golden_family_names() {
  std::vector<std::string> names;
  for (auto const& [name, one] : golden_families().at("cases").items()) names.push_back(name);
  return names;
}

/// As `weights` in tests/golden/make_families.py makes them.
at::Tensor mixed_weights(std::uint64_t place, std::vector<std::int64_t> const& shape, double scale, double mean) {
  auto tensor = at::empty(shape, at::kFloat);
  for (std::int64_t i = 0; i < tensor.numel(); ++i) {
    auto number = static_cast<std::uint64_t>(i) + 1'000'003 * (place + 1);
    for (int round = 0; round < 2; ++round) number = ((number ^ (number >> 16)) * 0x45D9F3B) & 0xFFFFFFFF;
    number ^= number >> 16;
    tensor.data_ptr<float>()[i] = static_cast<float>(mean + scale * (static_cast<double>(number) / 2147483648.0 - 1));
  }
  return tensor;
}

TinyCheckpoint golden_family(json const& one) {
  TinyCheckpoint checkpoint{one.at("config").dump(), {}};
  std::uint64_t place = 0;
  for (auto const& [name, described] : one.at("tensors").items())  // by name, as they are numbered
    checkpoint.tensors[name] = mixed_weights(place++, described[0], described[1], described[2]);
  return checkpoint;
}

class FamiliesGolden : public testing::TestWithParam<std::string> {
 protected:
  ~FamiliesGolden() override { tell_deviations(GetParam()); }
};

/// The text in one row, and in a pack with two others.
TEST_P(FamiliesGolden, LogitsOfTransformers) {
  c10::NoGradGuard const no_gradients;
  auto const& one = golden_families().at("cases").at(GetParam());
  auto const model = golden_family(one).load(test_dtype(), test_device());
  auto const ids = golden_families().at("ids").get<std::vector<std::int64_t>>();
  auto const last = static_cast<int>(model->config().layers) - 1;
  for (auto const& rows : std::vector<std::vector<std::vector<std::int64_t>>>{{ids}, {{4, 9}, ids, {1, 2, 3, 4, 5}}}) {
    auto const packed = pack_rows(rows, model->device());
    Pass const pass(*model, packed.layout);
    auto const logits = model->logits(model->final_norm(pass.run(0, last, pass.embed(packed.ids)))).to(at::kCPU, at::kDouble);
    auto const row = static_cast<std::int64_t>(rows.size() / 2);
    for (std::size_t p = 0; p < 2; ++p) {
      auto const place = golden_families().at("places")[p].get<std::int64_t>();
      auto const values = one.at("logits")[p].get<std::vector<double>>();
      auto const expected = at::tensor(at::ArrayRef<double>(values), at::kDouble);
      EXPECT_TRUE(within(tolerance::logit, largest_difference(logits[packed.layout.token(row, place)], expected)))
          << GetParam() << ", place " << place << " of row " << row;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Transformers, FamiliesGolden, testing::ValuesIn(golden_family_names()),
                         [](auto const& one) { return one.param; });

}  // namespace
}  // namespace onemask::test
