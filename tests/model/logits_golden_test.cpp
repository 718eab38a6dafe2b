#include "support/golden.hpp"
#include <onemask/model/two_way.hpp>

namespace onemask::test {
namespace {

class LogitsGolden : public GoldenTest {
 protected:
  /// Every golden prompt of a checkpoint, one by one and all in one pack.
  void check(std::string const& name, std::string const& file, std::string const& hidden_file) {
    auto const lm = model(name);
    auto const golden = json(file);
    auto const golden_hidden = tensors(hidden_file);
    auto const hidden_name = golden_hidden.names().front();
    std::vector<std::vector<std::int64_t>> rows;
    for (auto const& item : golden) rows.push_back(item.at("ids").get<std::vector<std::int64_t>>());
    auto const last = static_cast<int>(lm->config().layers) - 1;
    auto const packed = pack_rows(rows, at::kCPU);
    Pass const pass(*lm, packed.layout);
    auto const wanted = want(packed.layout, std::vector<std::vector<std::int64_t>>(rows.size(), {-1}));
    auto const hidden = lm->final_norm(pass.run(0, last, pass.embed(packed.ids), wanted.layout, wanted.tokens));
    EXPECT_LT(relative_error(hidden, golden_hidden.tensor(hidden_name)), 1e-4);
    auto const logits = lm->logits(hidden);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      auto const& item = golden[i];
      auto const index = static_cast<std::int64_t>(i);
      auto const ids = item.at("top20_ids").get<std::vector<std::int64_t>>();
      auto const values = item.at("top20_logits").get<std::vector<double>>();
      for (std::size_t k = 0; k < ids.size(); ++k) expect_logit_near(logits[index][ids[k]].item<double>(), values[k]);
      expect_logit_near(logits[index].logsumexp(0).item<double>(), item.at("logsumexp").get<double>());

      auto const alone = pack_rows({rows[i]}, at::kCPU);
      Pass const single(*lm, alone.layout);
      auto const residual = single.run(0, last, single.embed(alone.ids));
      EXPECT_LT(relative_error(lm->final_norm(residual).select(0, -1), hidden[index]), 1e-5)
          << "row " << i << " alone and in a pack";
    }
  }

  void check_sequences(std::string const& name, std::string const& file) {
    auto const lm = model(name);
    for (auto const& item : json(file)) {
      auto const prompt = item.at("ids").get<std::vector<std::int64_t>>();
      auto const rest = [&](char const* key) {
        auto ids = item.at(key).get<std::vector<std::int64_t>>();
        ids.erase(ids.begin(), ids.begin() + std::ssize(prompt));
        return ids;
      };
      TwoWayBatch const batch(*lm, 3, {{prompt, rest("ids_true"), rest("ids_new")}}, {0});
      auto const scores = batch.score({});
      expect_logit_near(scores.lp_true[0].item<double>(), item.at("lp_true_seq").get<double>());
      expect_logit_near(scores.lp_new[0].item<double>(), item.at("lp_new_seq").get<double>());
      expect_logit_near(scores.log_probabilities[0][item.at("true_first").get<std::int64_t>()].item<double>(),
                        item.at("lp_true_first").get<double>());
    }
  }
};

TEST_F(LogitsGolden, Gpt2) {
  check("cf-gpt2", "logits.json", "logits_hidden.safetensors");
}
TEST_F(LogitsGolden, Llama) {
  check("cf-llama", "logits_llama.json", "logits_hidden_llama.safetensors");
}
TEST_F(LogitsGolden, Gpt2WholeTargets) {
  check_sequences("cf-gpt2", "logits.json");
}
TEST_F(LogitsGolden, LlamaWholeTargets) {
  check_sequences("cf-llama", "logits_llama.json");
}

TEST_F(LogitsGolden, SuffixWithPastEqualsWholePass) {
  for (auto const* name : {"cf-gpt2", "cf-llama"}) {
    auto const lm = model(name);
    auto const last = static_cast<int>(lm->config().layers) - 1;
    auto const packed = pack_rows({{464, 6868, 3303, 286, 39734, 318}, {464, 2802, 23645}}, at::kCPU);
    Pass const whole(*lm, packed.layout);
    std::vector<KeyValue> seen;
    auto const expected = whole.run(0, last, whole.embed(packed.ids), &seen);

    auto const suffix = make_layout({{4, 5}, {1, 2}}, at::kCPU);
    auto const tokens = index_tensor({4, 5, 7, 8}, at::kCPU);
    Pass const rest(*lm, suffix, make_past(packed.layout, seen, 0, {4, 1}));
    auto const residual = lm->embed(packed.ids.index_select(0, tokens), suffix.positions);
    EXPECT_LT(relative_error(rest.run(0, last, residual), expected.index_select(0, tokens)), 1e-5) << name;
  }
}

}  // namespace
}  // namespace onemask::test
