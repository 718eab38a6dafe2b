#include "support/golden_fact.hpp"
#include "support/golden_hparams.hpp"
#include "support/golden_moments.hpp"
#include <onemask/edit/rome.hpp>
#include <onemask/model/two_way.hpp>

#include <algorithm>
#include <map>

namespace onemask::test {
namespace {

class RomeGolden : public GoldenTest {
 protected:
  struct Edits {
    std::vector<EditRequest> requests;
    std::vector<RomeResult> results;
  };

  Edits edit(nlohmann::json const& golden, char const* templates, std::size_t batch) {
    auto const lm = model();
    auto const words = tokenizer();
    auto const hparams = golden_hparams(golden.at("hparams"));
    auto const contexts = json("context_templates.json").at(templates).get<ContextTemplates>();
    Edits edits;
    for (auto const& record : golden.at("records")) {
      edits.requests.push_back(make_edit_request(words, golden_fact(record), contexts, hparams, lm->config().positions));
    }
    for (std::size_t first = 0; first < edits.requests.size(); first += batch) {
      auto const count = std::min(batch, edits.requests.size() - first);
      for (auto& result : rome(*lm, std::span(edits.requests).subspan(first, count), hparams))
        edits.results.push_back(std::move(result));
    }
    return edits;
  }

  /// The golden edits with all contexts, made once for all tests.
  Edits const& full_edits(nlohmann::json const& golden) {
    static std::map<std::string, Edits> edits;
    auto const [place, missing] = edits.try_emplace(GetParam().name);
    if (missing) place->second = edit(golden, "rome_full", 12);
    return place->second;
  }

  void compare(Edits const& edits, nlohmann::json const& golden, SafetensorsFile const& numbers) {
    auto const& records = golden.at("records");
    int close = 0;
    for (std::size_t i = 0; i < edits.results.size(); ++i) {
      auto const index = static_cast<std::int64_t>(i);
      auto const& [edit, trace] = edits.results[i];
      EXPECT_TRUE(within(tolerance::layer, relative_error(trace.key, numbers.tensor("key")[index]))) << "record " << i;
      EXPECT_TRUE(within(tolerance::layer, relative_error(edit.right[0], numbers.tensor("u")[index]))) << "record " << i;
      EXPECT_TRUE(within(tolerance::layer, relative_error(trace.target_init, numbers.tensor("target_init")[index])))
          << "record " << i;
      auto const& steps = records[i].at("steps");
      // A search ends when its loss is small: rounding may make that a step sooner or later.
      auto const common = std::min(steps.size(), trace.steps.size());
      ASSERT_LE(std::max(steps.size(), trace.steps.size()) - common, test_dtype() == at::kFloat ? 0u : 2u) << "record " << i;
      double worst = 0;
      for (std::size_t s = 0; s < common; ++s) {
        worst = std::max(worst, std::abs(trace.steps[s].loss - steps[s][0].get<double>()) / steps[s][0].get<double>());
      }
      auto const value = relative_error(edit.left[0], numbers.tensor("v")[index]);
      auto const change = relative_error(at::outer(edit.left[0], edit.right[0]),
                                         at::outer(numbers.tensor("v")[index], numbers.tensor("u")[index]));
      bool const near_loss(within(tolerance::search_loss, worst)), near_value(within(tolerance::update, value)),
          near_change(within(tolerance::update, change));
      close += near_loss && near_value && near_change;
    }
    EXPECT_GE(close, static_cast<int>(edits.results.size()) - 1);  // one may be further away
  }
};

TEST_P(RomeGolden, TokensAndPlaces) {
  auto const golden = json("rome.json");
  auto const lm = model();
  auto const words = tokenizer();
  auto const contexts = json("context_templates.json").at("rome_full").get<ContextTemplates>();
  for (auto const& record : golden.at("records")) {
    auto const request =
        make_edit_request(words, golden_fact(record), contexts, golden_hparams(golden.at("hparams")), lm->config().positions);
    EXPECT_EQ(request.target, record.at("target_ids").get<std::vector<std::int64_t>>());
    for (std::size_t i = 0; i <= request.contexts.size(); ++i) {
      auto const& row = i < request.contexts.size() ? request.contexts[i] : request.essence;
      EXPECT_EQ(row.ids, record.at("input_ids")[i].get<std::vector<std::int64_t>>());
      EXPECT_EQ(row.lookup, record.at("lookup_idxs")[i].get<std::int64_t>());
    }
  }
}

TEST_P(RomeGolden, ManyAtATime) {
  auto const golden = json("rome.json");
  compare(full_edits(golden), golden, tensors("rome.safetensors"));
}

TEST_P(RomeGolden, OneAtATimeWithThePublishedSteps) {
  auto const golden = json("rome_seedhp.json");
  compare(edit(golden, "rome_short", 1), golden, tensors("rome_seedhp.safetensors"));
}

TEST_P(RomeGolden, NoticesTf32) {
  auto const golden = json("rome_seedhp.json");
  expect_tf32_is_noticed({tolerance::layer, tolerance::search_loss, tolerance::update},
                         [&] { compare(edit(golden, "rome_short", 1), golden, tensors("rome_seedhp.safetensors")); });
}

TEST_P(RomeGolden, KeysAdjustedBySecondMoments) {
  auto const golden = json("rome_mom2.json");
  auto const numbers = tensors("rome_mom2.safetensors");
  auto const lm = model();
  auto const words = tokenizer();
  auto const contexts = json("context_templates.json").at("rome_full").get<ContextTemplates>();
  auto hparams = golden_hparams(json("rome.json").at("hparams"));
  hparams.mom2_adjustment = true;
  std::vector<EditRequest> requests;
  for (std::size_t i = 0; i < std::min<std::size_t>(6, golden.at("records").size()); ++i)
    requests.push_back(make_edit_request(words, golden_fact(golden.at("records")[i]), contexts, hparams, lm->config().positions));
  auto const layer = hparams.layers.front();
  auto const basis = KeyBasis::of_moment(golden_moments(*lm, tensors("cov.safetensors"), {layer}).at(layer));
  auto const results = rome(*lm, requests, hparams, &basis);
  for (std::size_t i = 0; i < results.size(); ++i) {
    auto const index = static_cast<std::int64_t>(i);
    auto const& edit = results[i].edit;
    auto const golden_change = at::outer(numbers.tensor("v")[index], numbers.tensor("u")[index]);
    EXPECT_TRUE(within(tolerance::solve, relative_error(edit.right[0], numbers.tensor("u")[index])));
    EXPECT_TRUE(within(tolerance::update, relative_error(at::outer(edit.left[0], edit.right[0]), golden_change)));
  }
}

TEST_P(RomeGolden, ProbabilitiesAfterTheEdit) {
  auto const golden = json("rome.json");
  auto const numbers = tensors("rome.safetensors");
  auto const& edits = full_edits(golden);
  auto const lm = model();
  auto const words = tokenizer();
  auto const score = [&](nlohmann::json const& probe, at::Tensor const& left, at::Tensor const& right) {
    TwoWayPrompt prompt{words.encode(probe.at("prompt").get<std::string>()),
                        {probe.at("first_true").get<std::int64_t>()},
                        {probe.at("first_new").get<std::int64_t>()}};
    TwoWayBatch const batch(*lm, edits.results.front().edit.layer, {prompt}, {0});
    return batch.score({left.to(lm->device()), right.to(lm->device()), {}});
  };
  int close = 0, probes = 0, other_decisions = 0;
  for (std::size_t i = 0; i < edits.results.size(); ++i) {
    auto const index = static_cast<std::int64_t>(i);
    auto const& edit = edits.results[i].edit;
    for (auto const& probe : golden.at("records")[i].at("after")) {
      auto const lp_true = probe.at("lp_true_first").get<double>(), lp_new = probe.at("lp_new_first").get<double>();
      // From the golden factors: only the forward pass is ours.
      auto const given = score(probe, numbers.tensor("v")[index].view({1, 1, -1}), numbers.tensor("u")[index].view({1, 1, -1}));
      EXPECT_TRUE(within(tolerance::logit, logit_deviation(given.lp_true[0].item<double>(), lp_true)));
      EXPECT_TRUE(within(tolerance::logit, logit_deviation(given.lp_new[0].item<double>(), lp_new)));
      other_decisions += given.log_probabilities[0].argmax().item<std::int64_t>() != probe.at("top1").get<std::int64_t>();
      // From our own factors: success equal everywhere, probabilities near.
      auto const own = score(probe, edit.left.unsqueeze(0), edit.right.unsqueeze(0));
      other_decisions += (own.lp_new[0].item<double>() > own.lp_true[0].item<double>()) != (lp_new > lp_true);
      bool const near(within(tolerance::probability, std::abs(std::exp(own.lp_new[0].item<double>()) - std::exp(lp_new))));
      close += near;
      ++probes;
    }
  }
  EXPECT_GE(close, probes - 3);
  EXPECT_TRUE(within(tolerance::decision, other_decisions / (2.0 * probes)));
}

INSTANTIATE_TEST_SUITE_P(Of, RomeGolden, testing::ValuesIn(golden_sources()), testing::PrintToStringParamName());

}  // namespace
}  // namespace onemask::test
