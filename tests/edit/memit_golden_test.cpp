#include "support/golden.hpp"
#include <onemask/edit/batch_solve.hpp>
#include <onemask/model/two_way.hpp>

#include <map>

namespace onemask::test {
namespace {

/// 100 facts written into layers 0 to 2 of cf-gpt2.
class MemitGolden : public GoldenTest {
 protected:
  void SetUp() override {
    GoldenTest::SetUp();
    if (IsSkipped()) return;
    golden_ = json("memit.json");
    model_ = model();
    words_.emplace(tokenizer());
    auto const& h = golden_.at("hparams");
    hparams_.method = EditMethod::memit;
    hparams_.layers = h.at("layers").get<std::vector<int>>();
    hparams_.v_num_grad_steps = h.at("v_num_grad_steps").get<int>();
    hparams_.v_lr = h.at("v_lr").get<double>();
    hparams_.v_loss_layer = h.at("v_loss_layer").get<int>();
    hparams_.v_weight_decay = h.at("v_weight_decay").get<double>();
    hparams_.clamp_norm_factor = h.at("clamp_norm_factor").get<double>();
    hparams_.kl_factor = h.at("kl_factor").get<double>();
    ContextTemplates templates;
    auto const contexts = json("context_templates.json");
    for (auto const& group : contexts.at("memit")) {
      for (auto const& text : group) templates.push_back(text.get<std::string>());
    }
    auto const facts = read_counterfact(shared_ / "counterfact" / "memit_train_1000s_10rels.json");
    for (std::size_t i = 0; i < golden_.at("records").size(); ++i) {
      EXPECT_EQ(facts[i].case_id, golden_.at("records")[i].at("case_id").get<std::int64_t>());
      facts_.push_back(facts[i]);
      requests_.push_back(make_edit_request(*words_, facts[i], templates, hparams_, model_->config().positions));
    }
    auto const moments = tensors("cov.safetensors");
    for (auto layer : hparams_.layers) {
      bases_.emplace(layer, KeyBasis::of_moment({layer, 32768, moments.tensor("moment." + std::to_string(layer)), "", {}}));
    }
  }

  TargetValues golden_values() const {
    TargetValues targets{std::vector<EditOutcome>(requests_.size()), own_values_of(requests_.size()),
                         tensors("memit_z.safetensors").tensor("z")};
    return targets;
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
          prompts.push_back(
              {words_->encode(text), words_->encode(" " + fact.target_true), words_->encode(" " + fact.target_new)});
        };
        if (kind == "rewrite") add(fact.question());
        if (kind == "paraphrase") std::for_each(fact.paraphrase_prompts.begin(), fact.paraphrase_prompts.end(), add);
        if (kind == "neighborhood") {
          // The first five, as in the golden rates.
          for (std::size_t i = 0; i < std::min<std::size_t>(5, fact.neighborhood_prompts.size()); ++i)
            add(fact.neighborhood_prompts[i]);
        }
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
      auto const expected = golden_.at("runs").at(run).at("rates").at(kind).get<double>();
      std::cout << "lambda " << run << ", " << kind << ": " << rate << ", golden " << expected << "\n";
      EXPECT_NEAR(rate, expected, 0.03) << run << " " << kind;
    }
  }

  nlohmann::json golden_;
  std::unique_ptr<CausalLM> model_;
  std::optional<Tokenizer> words_;
  EditHparams hparams_;
  std::vector<Fact> facts_;
  std::vector<EditRequest> requests_;
  std::map<int, KeyBasis> bases_;
};

TEST_F(MemitGolden, EveryLayerFromTheGoldenValues) {
  for (std::string const run : {"20000", "15000", "1000"}) {
    hparams_.mom2_update_weight = std::stod(run);
    auto const numbers = tensors("memit_" + run + ".safetensors");
    std::vector<LayerSolve> trace;
    auto const edit = solve_batch(*model_, requests_, golden_values(), hparams_, bases_, nullptr, &trace);
    ASSERT_EQ(trace.size(), 3u);
    double worst = 0;
    for (std::size_t i = 0; i < trace.size(); ++i) {
      auto const& solve = trace[i];
      auto const layer = std::to_string(solve.layer);
      EXPECT_LT(relative_error(solve.keys.t(), numbers.tensor("ks." + layer)), 1e-3) << run << " layer " << layer;
      EXPECT_LT(relative_error(solve.current.t(), numbers.tensor("cur_z." + layer)), 1e-3) << run << " layer " << layer;
      EXPECT_LT(relative_error(solve.residual, numbers.tensor("resid." + layer)), 1e-3) << run << " layer " << layer;
      EXPECT_LT(relative_error(solve.adjusted, numbers.tensor("adj_k." + layer)), 1e-3) << run << " layer " << layer;
      auto const golden_delta = run == "20000"
                                    ? numbers.tensor("delta." + layer).t()
                                    : at::matmul(numbers.tensor("resid." + layer), numbers.tensor("adj_k." + layer).t());
      auto const error = relative_error(edit.deltas[i].matrix(), golden_delta);
      EXPECT_LT(error, 1e-3) << run << " layer " << layer;
      worst = std::max(worst, error);
    }
    std::cout << "lambda " << run << ": worst relative error of an update " << worst << "\n";
    expect_rates(edit, run);
  }
}

TEST_F(MemitGolden, SuccessFromOurOwnValues) {
  std::vector<TargetValues> chunks;
  for (std::size_t first = 0; first < requests_.size(); first += 25) {
    chunks.push_back(find_target_values(*model_, std::span(requests_).subspan(first, 25), hparams_));
  }
  auto const targets = joined(chunks);
  std::vector<double> errors;
  auto const golden = tensors("memit_z.safetensors").tensor("z");
  for (std::int64_t i = 0; i < golden.size(0); ++i) errors.push_back(relative_error(targets.values[i], golden[i]));
  std::sort(errors.begin(), errors.end());
  std::cout << "relative error of a value: median " << errors[errors.size() / 2] << ", worst " << errors.back() << "\n";
  EXPECT_LT(errors[errors.size() / 2], 1e-3);
  for (std::string const run : {"20000", "15000", "1000"}) {
    hparams_.mom2_update_weight = std::stod(run);
    expect_rates(solve_batch(*model_, requests_, targets, hparams_, bases_), run);
  }
}

}  // namespace
}  // namespace onemask::test
