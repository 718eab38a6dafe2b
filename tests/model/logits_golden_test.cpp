#include "support/golden.hpp"
#include <onemask/model/two_way.hpp>

namespace onemask::test {
namespace {

class LogitsGolden : public GoldenTest {
 protected:
  /// The files of Llama say so.
  std::string kind() const { return GetParam().name.ends_with("llama") ? "_llama" : ""; }

  void compare_logits() const;
  void compare_targets() const;
};

void LogitsGolden::compare_logits() const {
  auto const lm = model();
  auto const golden = json("logits" + kind() + ".json");
  auto const golden_hidden = tensors("logits_hidden" + kind() + ".safetensors");
  auto const hidden_name = golden_hidden.names().front();
  std::vector<std::vector<std::int64_t>> rows;
  for (auto const& item : golden) rows.push_back(item.at("ids").get<std::vector<std::int64_t>>());
  auto const last = static_cast<int>(lm->config().layers) - 1;
  auto const packed = pack_rows(rows, lm->device());
  Pass const pass(*lm, packed.layout);
  auto const wanted = want(packed.layout, std::vector<std::vector<std::int64_t>>(rows.size(), {-1}));
  auto const hidden = lm->final_norm(pass.run(0, last, pass.embed(packed.ids), wanted.layout, wanted.tokens));
  EXPECT_TRUE(within(tolerance::hidden, relative_error(hidden, golden_hidden.tensor(hidden_name))));
  auto const logits = lm->logits(hidden);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto const& item = golden[i];
    auto const index = static_cast<std::int64_t>(i);
    auto const ids = item.at("top20_ids").get<std::vector<std::int64_t>>();
    auto const values = item.at("top20_logits").get<std::vector<double>>();
    for (std::size_t k = 0; k < ids.size(); ++k)
      EXPECT_TRUE(within(tolerance::logit, logit_deviation(logits[index][ids[k]].item<double>(), values[k])));
    auto const logsumexp = logits[index].to(at::kFloat).logsumexp(0).item<double>();
    EXPECT_TRUE(within(tolerance::logit, logit_deviation(logsumexp, item.at("logsumexp").get<double>())));

    auto const alone = pack_rows({rows[i]}, lm->device());
    Pass const single(*lm, alone.layout);
    auto const residual = single.run(0, last, single.embed(alone.ids));
    EXPECT_TRUE(within(tolerance::packing, relative_error(lm->final_norm(residual).select(0, -1), hidden[index])))
        << "row " << i << " alone and in a pack";
  }
}

void LogitsGolden::compare_targets() const {
  auto const lm = model();
  for (auto const& item : json("logits" + kind() + ".json")) {
    auto const prompt = item.at("ids").get<std::vector<std::int64_t>>();
    auto const rest = [&](char const* key) {
      auto ids = item.at(key).get<std::vector<std::int64_t>>();
      ids.erase(ids.begin(), ids.begin() + std::ssize(prompt));
      return ids;
    };
    TwoWayBatch const batch(*lm, 1, {{prompt, rest("ids_true"), rest("ids_new")}}, {0});
    auto const scores = batch.score({});
    auto const expect_near = [&](at::Tensor const& value, char const* key) {
      EXPECT_TRUE(within(tolerance::logit, logit_deviation(value.item<double>(), item.at(key).get<double>()))) << key;
    };
    expect_near(scores.lp_true[0], "lp_true_seq");
    expect_near(scores.lp_new[0], "lp_new_seq");
    expect_near(scores.log_probabilities[0][item.at("true_first").get<std::int64_t>()], "lp_true_first");
  }
}

TEST_P(LogitsGolden, EveryPromptAloneAndAllInOnePack) {
  compare_logits();
}

TEST_P(LogitsGolden, WholeTargets) {
  compare_targets();
}

TEST_P(LogitsGolden, NoticesTf32) {
  expect_tf32_is_noticed({tolerance::hidden, tolerance::logit}, [&] { compare_logits(); });
  expect_tf32_is_noticed({tolerance::logit}, [&] { compare_targets(); });
}

TEST_P(LogitsGolden, SuffixWithPastEqualsWholePass) {
  auto const lm = model();
  auto const last = static_cast<int>(lm->config().layers) - 1;
  auto const packed = pack_rows({{64, 268, 330, 286, 397, 318}, {64, 280, 236}}, lm->device());
  Pass const whole(*lm, packed.layout);
  std::vector<KeyValue> seen;
  auto const expected = whole.run(0, last, whole.embed(packed.ids), &seen);

  auto const suffix = make_layout({{4, 5}, {1, 2}}, lm->device());
  auto const tokens = index_tensor({4, 5, 7, 8}, lm->device());
  Pass const rest(*lm, suffix, make_past(packed.layout, seen, 0, {4, 1}));
  auto const residual = lm->embed(packed.ids.index_select(0, tokens), suffix.positions);
  EXPECT_TRUE(within(tolerance::packing, relative_error(rest.run(0, last, residual), expected.index_select(0, tokens))));
}

INSTANTIATE_TEST_SUITE_P(Gpt2, LogitsGolden, testing::ValuesIn(golden_sources()), testing::PrintToStringParamName());
INSTANTIATE_TEST_SUITE_P(Llama, LogitsGolden, testing::ValuesIn(golden_llamas()), testing::PrintToStringParamName());

}  // namespace
}  // namespace onemask::test
