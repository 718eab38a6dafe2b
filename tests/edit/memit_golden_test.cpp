#include "support/golden_fact.hpp"
#include "support/golden_hparams.hpp"
#include "support/golden_moments.hpp"
#include <onemask/edit/batch_solve.hpp>
#include <onemask/model/two_way.hpp>

#include <algorithm>
#include <filesystem>
#include <map>

namespace onemask::test {
namespace {

/// Facts written into several layers at once: the numbers' name is their files'.
struct MemitRun {
  GoldenSource source;
  std::string name;
};

std::ostream& operator<<(std::ostream& out, MemitRun const& run) {
  return out << run.source << '_' << run.name;
}

std::vector<MemitRun> memit_runs() {
  std::vector<MemitRun> runs;
  for (auto const& source : golden_sources()) {
    for (std::string const name : {"memit", "memit_spread"}) {
      if (std::filesystem::exists(source.numbers / (name + ".json"))) runs.push_back({source, name});
    }
  }
  return runs;
}

class MemitGolden : public testing::TestWithParam<MemitRun>, protected Golden {
 protected:
  MemitGolden() : Golden(GetParam().source) {
    hparams_ = golden_hparams(golden_.at("hparams"));
    hparams_.method = EditMethod::memit;
    ContextTemplates templates;
    auto const contexts = json("context_templates.json");
    for (auto const& group : contexts.at("memit")) {
      for (auto const& text : group) templates.push_back(text.get<std::string>());
    }
    for (auto const& record : golden_.at("records")) {
      facts_.push_back(golden_fact(record));
      requests_.push_back(make_edit_request(words_, facts_.back(), templates, hparams_, model_->config().positions));
    }
    for (auto const& [layer, moment] : golden_moments(*model_, tensors("cov.safetensors"), hparams_.layers)) {
      bases_.emplace(layer, KeyBasis::of_moment(moment));
    }
  }

  std::string file(std::string const& suffix) const { return GetParam().name + suffix; }
  /// Those of λ, by its digits.
  nlohmann::json const& runs() const { return golden_.at("runs"); }

  TargetValues golden_values() const {
    return {std::vector<EditOutcome>(requests_.size()), own_values_of(requests_.size()),
            tensors(file("_z.safetensors")).tensor("z")};
  }

  static std::vector<std::int64_t> own_values_of(std::size_t count) {
    std::vector<std::int64_t> values;
    for (std::size_t i = 0; i < count; ++i) values.push_back(static_cast<std::int64_t>(i));
    return values;
  }

  /// Shares of prompts whose new object is likelier, by kind of prompt; neighbourhoods: whose true one is.
  std::map<std::string, double> rates(BatchEdit const& edit) const {
    auto const edited = model_->with_projections(edited_weights(*model_, edit.deltas));
    std::map<std::string, double> result;
    for (std::string const kind : {"rewrite", "paraphrase", "neighborhood"}) {
      std::vector<TwoWayPrompt> prompts;
      for (auto const& fact : facts_) {
        auto const add = [&](std::string const& text) {
          prompts.push_back({words_.encode(text), words_.encode(" " + fact.target_true), words_.encode(" " + fact.target_new)});
        };
        if (kind == "rewrite") add(fact.question());
        if (kind == "paraphrase") std::for_each(fact.paraphrase_prompts.begin(), fact.paraphrase_prompts.end(), add);
        if (kind == "neighborhood") std::for_each(fact.neighborhood_prompts.begin(), fact.neighborhood_prompts.end(), add);
      }
      double hits = 0;
      for (std::size_t first = 0; first < prompts.size(); first += 50) {
        auto const last = std::min(prompts.size(), first + 50);
        std::vector<TwoWayPrompt> const some(prompts.begin() + static_cast<std::ptrdiff_t>(first),
                                             prompts.begin() + static_cast<std::ptrdiff_t>(last));
        auto const scores = TwoWayBatch(*edited, 0, some, std::vector<std::int64_t>(some.size(), 0)).score({});
        auto const new_wins = (scores.lp_new > scores.lp_true).sum().item<double>();
        hits += kind == "neighborhood" ? static_cast<double>(some.size()) - new_wins : new_wins;
      }
      result[kind] = hits / static_cast<double>(prompts.size());
    }
    return result;
  }

  void expect_rates(BatchEdit const& edit, std::string const& run) const {
    for (auto const& [kind, rate] : rates(edit)) {
      auto const expected = runs().at(run).at("rates").at(kind).get<double>();
      std::cout << "lambda " << run << ", " << kind << ": " << rate << ", golden " << expected << "\n";
      EXPECT_TRUE(within(tolerance::success, std::abs(rate - expected))) << run << " " << kind;
    }
  }

  void compare_layers();

  nlohmann::json golden_ = json(file(".json"));
  std::unique_ptr<CausalLM> model_ = model();
  Tokenizer words_ = tokenizer();
  EditHparams hparams_;
  std::vector<Fact> facts_;
  std::vector<EditRequest> requests_;
  std::map<int, KeyBasis> bases_;
};

void MemitGolden::compare_layers() {
  for (auto const& [run, _] : runs().items()) {
    hparams_.mom2_update_weight = std::stod(run);
    auto const numbers = tensors(file("_" + run + ".safetensors"));
    std::vector<LayerSolve> trace;
    auto const edit = solve_batch(*model_, requests_, golden_values(), hparams_, bases_, nullptr, &trace);
    ASSERT_EQ(trace.size(), hparams_.layers.size());
    for (std::size_t i = 0; i < trace.size(); ++i) {
      auto const& solve = trace[i];
      auto const layer = std::to_string(solve.layer);
      SCOPED_TRACE("lambda " + run + ", layer " + layer);
      EXPECT_TRUE(within(tolerance::layer, relative_error(solve.keys.t(), numbers.tensor("ks." + layer))));
      EXPECT_TRUE(within(tolerance::layer, relative_error(solve.current.t(), numbers.tensor("cur_z." + layer))));
      EXPECT_TRUE(within(tolerance::layer, relative_error(solve.residual, numbers.tensor("resid." + layer))));
      EXPECT_TRUE(within(tolerance::solve, relative_error(solve.adjusted, numbers.tensor("adj_k." + layer))));
      auto const golden_delta = at::matmul(numbers.tensor("resid." + layer), numbers.tensor("adj_k." + layer).t());
      EXPECT_TRUE(within(tolerance::solve, relative_error(edit.deltas[i].matrix(), golden_delta)));
    }
    expect_rates(edit, run);
  }
}

TEST_P(MemitGolden, EveryLayerFromTheGoldenValues) {
  compare_layers();
}

TEST_P(MemitGolden, NoticesTf32) {
  expect_tf32_is_noticed({tolerance::layer, tolerance::solve}, [&] { compare_layers(); });
}

TEST_P(MemitGolden, SuccessFromOurOwnValues) {
  std::vector<TargetValues> chunks;
  for (std::span<EditRequest const> rest = requests_; !rest.empty();) {
    auto const count = std::min<std::size_t>(25, rest.size());
    chunks.push_back(find_target_values(*model_, rest.first(count), hparams_));
    rest = rest.subspan(count);
  }
  auto const targets = joined(chunks);
  std::vector<double> errors;
  auto const golden = tensors(file("_z.safetensors")).tensor("z");
  for (std::int64_t i = 0; i < golden.size(0); ++i) errors.push_back(relative_error(targets.values[i], golden[i]));
  std::sort(errors.begin(), errors.end());
  EXPECT_TRUE(within(tolerance::update, errors[errors.size() / 2]));
  for (auto const& [run, _] : runs().items()) {
    hparams_.mom2_update_weight = std::stod(run);
    expect_rates(solve_batch(*model_, requests_, targets, hparams_, bases_), run);
  }
}

INSTANTIATE_TEST_SUITE_P(Of, MemitGolden, testing::ValuesIn(memit_runs()), testing::PrintToStringParamName());

}  // namespace
}  // namespace onemask::test
