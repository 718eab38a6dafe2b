#include "support/golden_mask.hpp"
#include <onemask/mask/trainer.hpp>

#include <cstdlib>
#include <iostream>

namespace onemask::test {
namespace {

/// A golden training, named after its files.
struct GoldenTraining {
  GoldenSource source;
  std::string name;
};

std::ostream& operator<<(std::ostream& out, GoldenTraining const& training) {
  return out << training.source << '_' << training.name;
}

/// Of cf-gpt2 the one at the larger rate; with ONEMASK_LONG=1 also the minutes of that at the published rate.
std::vector<GoldenTraining> trainings() {
  std::vector<std::string> names{"mask_train_lr05"};
  if (std::getenv("ONEMASK_LONG") != nullptr) names.push_back("mask_train");
  std::vector<GoldenTraining> result;
  for (auto const& source : golden_sources()) {
    for (auto const& name : source.name == "cf_gpt2" ? names : std::vector<std::string>{"mask_train"}) {
      result.push_back({source, name});
    }
  }
  return result;
}

class TrainerGolden : public testing::TestWithParam<GoldenTraining>, protected Golden {
 protected:
  TrainerGolden() : Golden(GetParam().source) {}

  struct Setup {
    nlohmann::json golden;
    std::unique_ptr<CausalLM> model;
    std::unique_ptr<TrainingSet> facts;
    MaskOptions options;
    BatchOrder order;
    at::Tensor theta;
    std::unique_ptr<GradientReducer> reducer = make_reducer(Communicator(), test_device());

    MaskTrainer trainer() { return {*facts, options, theta, order, {}, *reducer}; }
  };

  SafetensorsFile numbers() const { return tensors(GetParam().name + ".safetensors"); }

  Setup set_up() const {
    Setup setup{json(GetParam().name + ".json"), model(), {}, {}, {}, {}};
    GoldenEdits const edits(*this, "train");
    auto const words = tokenizer();
    auto const select = [&](char const* key) {
      std::vector<MaskFact> facts;
      for (auto const& id : setup.golden.at(key)) {
        auto const place = edits.place.at(id.get<std::int64_t>());
        facts.push_back(make_mask_fact(words, edits.facts[place], edits.edits[place], false, setup.model->config().positions));
      }
      return facts;
    };
    setup.facts = std::make_unique<TrainingSet>(*setup.model, edits.layer, select("train_case_ids"), select("val_case_ids"));
    setup.options.epochs = setup.golden.at("epochs").get<int>();
    setup.options.batch = setup.golden.at("batch_size").get<int>();
    setup.options.learning_rate = setup.golden.at("lr").get<double>();
    setup.order = [log = setup.golden.at("epochs_log")](int epoch) {
      return log[static_cast<std::size_t>(epoch)].at("perm").get<std::vector<std::size_t>>();
    };
    setup.theta = numbers().tensor("theta_init").to(at::kFloat).t();
    return setup;
  }

  /// The losses of an epoch are relative to the golden ones, but where those come near zero.
  static void expect_epoch(MaskEpoch const& ours, nlohmann::json const& golden) {
    auto const near = [&](double value, char const* key) {
      auto const expected = golden.at(key).get<double>();
      auto const deviation = std::abs(value - expected) / std::max(0.01, std::abs(expected));
      EXPECT_TRUE(within(tolerance::mask_loss, deviation)) << key << " of epoch " << golden.at("epoch");
    };
    near(ours.restoration, "L_rest");
    near(ours.sparsity, "L_spar");
    near(ours.distillation, "L_aux");
  }

  void compare_first_epoch() const;
};

void TrainerGolden::compare_first_epoch() const {
  auto setup = set_up();
  auto trainer = setup.trainer();
  auto const golden_gradient = numbers().tensor("grad_step0_unclipped");
  auto const golden_theta = numbers().tensor("theta_after_epoch1");
  MaskEpoch means;
  auto const order = setup.order(0);
  auto const gradient = trainer.gradient(std::span(order).first(static_cast<std::size_t>(setup.options.batch)), 0, means);
  EXPECT_TRUE(within(tolerance::gradient, relative_error(stored_rows(gradient.t(), golden_gradient), golden_gradient)));
  auto const& step = setup.golden.at("epochs_log")[0].at("steps")[0];
  EXPECT_TRUE(within(tolerance::mask_loss, std::abs(means.restoration - step.at("L_rest").get<double>())));
  EXPECT_TRUE(within(tolerance::mask_loss, std::abs(means.distillation - step.at("L_aux").get<double>())));
  auto const norm = step.at("grad_norm").get<double>();
  EXPECT_TRUE(within(tolerance::gradient, std::abs(gradient.norm().item<double>() / norm - 1)));

  trainer.run_epoch();
  expect_epoch(trainer.mask(0).epochs.front(), setup.golden.at("epochs_log")[0]);
  EXPECT_TRUE(within(tolerance::gradient, relative_error(stored_rows(trainer.theta().t(), golden_theta), golden_theta)));
}

TEST_P(TrainerGolden, FirstGradientAndFirstEpoch) {
  compare_first_epoch();
}

TEST_P(TrainerGolden, NoticesTf32) {
  expect_tf32_is_noticed({tolerance::gradient, tolerance::mask_loss}, [&] { compare_first_epoch(); });
}

TEST_P(TrainerGolden, LossesAndBinaryMasks) {
  auto setup = set_up();
  auto trainer = setup.trainer();
  while (!trainer.done()) trainer.run_epoch();
  auto const mask = trainer.mask(0);
  auto const& log = setup.golden.at("epochs_log");
  for (std::size_t e = 0; e < 10; ++e) expect_epoch(mask.epochs[e], log[e]);
  auto const golden = numbers().tensor("soft_mask_final");
  for (double threshold : {0.5, 0.7, 0.9}) {
    auto const keep = stored_rows(mask.keep(threshold).t(), golden);
    auto const differ = keep.ne(golden >= threshold).to(at::kDouble).mean().item<double>();
    EXPECT_TRUE(within(tolerance::mask_bits, differ)) << "threshold " << threshold;
  }
  // Validation facts are few. The share of the last epoch may differ by one of them.
  auto const validation = static_cast<double>(setup.golden.at("val_case_ids").size());
  EXPECT_NEAR(mask.epochs.back().validation_rsr, log.back().at("val_rsr").get<double>(), 1.01 / validation);
}

INSTANTIATE_TEST_SUITE_P(Of, TrainerGolden, testing::ValuesIn(trainings()), testing::PrintToStringParamName());

}  // namespace
}  // namespace onemask::test
