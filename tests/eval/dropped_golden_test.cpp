#include "support/golden_mask.hpp"
#include "support/shared_files.hpp"
#include <onemask/core/file.hpp>
#include <onemask/eval/metrics.hpp>
#include <onemask/model/perplexity.hpp>

#include <algorithm>
#include <cmath>
#include <map>

namespace onemask::test {
namespace {

/// Models without one of their matrices: under a mask that keeps nothing, all edited models are the same.
class DroppedGolden : public GoldenTest {
 protected:
  static constexpr std::int64_t window = 128;

  DroppedGolden() : model_(model()), words_(tokenizer()) {}

  struct Means {
    double rsr = 0, top1 = 0;  ///< shares: the true object is likelier than the new one; its first token is the likeliest of all
  };
  std::vector<Means> means(std::vector<Condition> const& conditions, int layer, std::vector<EvaluationFact> const& facts) const {
    std::vector<Means> means(conditions.size());
    auto const n = static_cast<double>(facts.size());
    for (std::size_t first = 0; first < facts.size(); first += 25) {
      auto const last = std::min(first + 25, facts.size());
      std::vector const some(facts.begin() + static_cast<std::ptrdiff_t>(first),
                             facts.begin() + static_cast<std::ptrdiff_t>(last));
      for (auto const& row : evaluate(*model_, words_, layer, some, conditions, {.kinds = {PromptKind::rewrite}})) {
        auto& mean = means[static_cast<std::size_t>(row.condition)];
        mean.rsr += (row.lp_true > row.lp_new) / n;
        mean.top1 += (row.rank_true == 1) / n;
      }
    }
    return means;
  }

  static std::vector<EvaluationFact> unedited(std::vector<Fact> const& facts) {
    std::vector<EvaluationFact> all;
    for (auto const& fact : facts) all.push_back({std::ssize(all), &fact, nullptr});
    return all;
  }

  /// The model with another matrix in a layer: of what `keep` [out, in] keeps.
  std::unique_ptr<CausalLM> under(int layer, at::Tensor const& keep) const {
    auto const weight = model_->projection(layer).weight;
    return model_->with_projections({{layer, weight * keep.to(weight.device())}});
  }
  static double perplexity(TextScore const& score) { return std::exp(score.nll / static_cast<double>(score.tokens)); }
  at::Tensor nothing_kept(int layer) const { return at::zeros_like(model_->projection(layer).weight, at::kBool).cpu(); }

  std::unique_ptr<CausalLM> model_;
  Tokenizer words_;
};

/// Every layer of the model that ships, against tests/golden and against what was measured before to two digits.
TEST_P(DroppedGolden, EveryLayerOfTheModelThatShips) {
  if (GetParam().name != "world_gpt2") GTEST_SKIP() << "These are golden numbers of world-gpt2.";
  auto const golden = json("dropped.json");
  std::map<std::string, std::vector<Fact>> facts;
  for (std::string const split : {"heldout", "ood"}) {
    std::map<std::int64_t, Fact> all;
    for (auto& fact : read_counterfact(source_folder() / "res" / "facts" / (split + ".json"))) all[fact.case_id] = fact;
    for (auto const& id : golden.at("case_ids").at(split)) facts[split].push_back(all.at(id.get<std::int64_t>()));
  }
  auto ids = words_.encode(read_file(source_folder() / "res" / "facts" / "prose_heldout.txt"));
  ids.resize(golden.at("tokens").get<std::size_t>());
  auto const windows = cut_text(ids, {}, window, 0);
  std::vector<Condition> conditions;
  std::vector<double> golden_perplexities, perplexities;
  for (auto const& expected : golden.at("models")) {
    auto const& dropped = expected.at("dropped");
    auto const make = [this, layer = dropped.is_null() ? -1 : dropped.get<int>()] {
      return layer < 0 ? model_->with_projections({}) : under(layer, nothing_kept(layer));
    };
    conditions.push_back({dropped.dump(), false, {}, make});
    golden_perplexities.push_back(expected.at("perplexity").get<double>());
  }
  ASSERT_EQ(conditions.size(), 7u);
  for (std::size_t const m : {0, 1, 4, 6}) {  // those of layers 1, 2 and 4 lie between those of 3 and 5, and each takes a second
    perplexities.push_back(perplexity(score_text(*conditions[m].shared(), windows)));
    EXPECT_TRUE(within(tolerance::perplexity, std::abs(perplexities.back() / golden_perplexities[m] - 1))) << conditions[m].name;
  }
  auto const [least, most] = std::minmax_element(golden_perplexities.begin() + 2, golden_perplexities.end());
  EXPECT_EQ(least - golden_perplexities.begin(), 4);
  EXPECT_EQ(most - golden_perplexities.begin(), 6);
  EXPECT_NEAR(perplexities[0], 33.9, 0.05);
  EXPECT_NEAR(perplexities[1], 131.6, 0.05);
  EXPECT_NEAR(perplexities[2] / perplexities[0], 1.04, 5e-3);
  EXPECT_NEAR(perplexities[3] / perplexities[0], 1.24, 5e-3);
  for (auto const& [split, some] : facts) {
    auto const found = means(conditions, 0, unedited(some));
    for (std::size_t m = 0; m < found.size(); ++m) {
      SCOPED_TRACE(testing::Message() << split << ", dropped: " << conditions[m].name);
      auto const& expected = golden.at("models")[m].at(split);
      auto const n = static_cast<double>(some.size());
      EXPECT_TRUE(within(tolerance::decision, std::abs(found[m].rsr - expected.at("likelier").get<double>() / n)));
      EXPECT_TRUE(within(tolerance::decision, std::abs(found[m].top1 - expected.at("likeliest").get<double>() / n)));
      if (split != "heldout" || m < 2) continue;
      EXPECT_NEAR(found[m].rsr, 1, 5e-3);
      EXPECT_GT(found[m].top1, 0.985);
    }
    EXPECT_NEAR(found[1].rsr, split == "ood" ? 0.96 : 0.95, 5e-3);
    EXPECT_NEAR(found[1].top1, split == "ood" ? 0.78 : 0.67, 5e-3 + 1e-12);
  }
}

/// On cf-gpt2 the model without the edited matrix is better in every score than under any mask, and random masks of many zeros
/// are nearly as good.
TEST_P(DroppedGolden, TheMeasuredScores) {
  if (GetParam().name != "cf_gpt2") GTEST_SKIP() << "This was measured on cf-gpt2, of the folder 'shared'.";
  GoldenEdits const edits(*this, "heldout");
  std::vector<EvaluationFact> facts;
  for (std::size_t f = 0; f < edits.facts.size(); ++f)
    facts.push_back({static_cast<std::int64_t>(f), &edits.facts[f], &edits.edits[f]});
  auto const none = nothing_kept(edits.layer);
  auto const draws = golden_draws(none.size(0), none.size(1));
  auto const found = means({{"dropped", true, none},
                            {"random, half", true, draws > 0.5},
                            {"random, 80 %", true, draws > 0.8},
                            {"random, 90 %", true, draws > 0.9}},
                           edits.layer, facts);
  std::vector<double> const rsr{1, 0.59, 0.98, 1};
  for (std::size_t c = 0; c < rsr.size(); ++c) EXPECT_TRUE(within(tolerance::decision, std::abs(found[c].rsr - rsr[c]))) << c;
  EXPECT_TRUE(within(tolerance::decision, std::abs(found[0].top1 - 1)));

  auto const text = read_file(*shared_folder() / "counterfact" / "wikitext2_test.txt");
  auto const begins_character = [&](std::size_t place) { return (static_cast<unsigned char>(text[place]) & 0xC0U) != 0x80U; };
  auto begin = text.size();
  for (int characters = 0; characters < 40000; characters += begins_character(begin)) --begin;
  auto const all = words_.encode(std::string_view(text).substr(begin));
  auto const windows = cut_text(std::span(all).last(6000), {}, window, 0);
  auto const mask = tensors("eval_mask.safetensors").tensor("mask").t().to(at::kBool);
  auto const original = score_text(*model_, windows);
  EXPECT_EQ(original.tokens, 5953);
  EXPECT_NEAR(perplexity(original), 822.0, 0.05);
  EXPECT_NEAR(perplexity(score_text(*under(edits.layer, mask), windows)), 820.8, 0.05);
  EXPECT_NEAR(perplexity(score_text(*under(edits.layer, none), windows)), 827.8, 0.05);
}

INSTANTIATE_TEST_SUITE_P(Of, DroppedGolden, testing::ValuesIn(golden_sources()), testing::PrintToStringParamName());

}  // namespace
}  // namespace onemask::test
