#include "support/complaint.hpp"
#include "support/test_device.hpp"
#include "support/tiny_families.hpp"
#include <onemask/analysis/causal_trace.hpp>

#include <algorithm>
#include <cmath>
#include <map>

#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask::test {
namespace {

using testing::HasSubstr;

/// Prompts of several lengths whose subjects have one to three tokens: in the middle, at the beginning, at the end.
std::vector<TracePrompt> traced_prompts() {
  std::vector<TracePrompt> prompts{{7, random_ids(8, 1), random_ids(1, 11), 2, 5},
                                   {8, random_ids(5, 2), random_ids(3, 12), 0, 2},
                                   {9, random_ids(4, 3), random_ids(2, 13), 3, 4},
                                   {10, random_ids(9, 4), random_ids(1, 14), 1, 2}};
  return prompts;
}

TraceNoise const some_noise{5, 3, 1.5};

/// One run of the definition: all tokens of one row through all layers, from the embedding on, one change at a time.
class SlowTrace {
 public:
  SlowTrace(CausalLM const& model, TracePrompt const& prompt)
      : model_(model), prompt_(prompt), packed_(pack_rows({prompt.ids}, model.device())), pass_(model, packed_.layout) {
    run({});
  }

  struct Change {
    at::Tensor noise = {};
    TraceKind kind = TraceKind::state;
    LayerWindow window = {};
    std::int64_t token = -1;  ///< nothing is restored
  };

  /// P of the object's first token. Without noise the clean states are kept.
  double run(Change const& change) {
    bool const clean = !change.noise.defined();
    auto stream = pass_.embed(packed_.ids).clone();
    if (!clean) stream.narrow(0, prompt_.subject, prompt_.subject_tokens()).add_(change.noise.to(stream.device()));
    for (int layer = 0; layer < 3; ++layer) {
      auto const place = static_cast<std::size_t>(layer);
      bool const restores = change.token >= 0 && layer >= change.window.first && layer < change.window.end;
      auto half = pass_.halfway(layer, stream);
      auto attention = half.attention.clone();
      if (restores && change.kind == TraceKind::attention) attention[change.token] = attention_[place][change.token];
      auto const after = stream + attention;
      auto mlp = model_.mlp_output(layer, project(model_.projection(layer), model_.mlp_key(layer, stream, after))).clone();
      if (restores && change.kind == TraceKind::mlp) mlp[change.token] = mlp_[place][change.token];
      stream = after + mlp;
      if (restores && change.kind == TraceKind::state) stream[change.token] = streams_[place][change.token];
      if (!clean) continue;
      attention_.push_back(attention), mlp_.push_back(mlp), streams_.push_back(stream);
    }
    auto const last = model_.logits(model_.final_norm(stream[std::ssize(prompt_.ids) - 1].unsqueeze(0)));
    return at::softmax(last.to(at::kFloat), -1)[0][prompt_.object.front()].item<double>();
  }

 private:
  CausalLM const& model_;
  TracePrompt prompt_;
  TokenRows packed_;
  Pass pass_;
  std::vector<at::Tensor> attention_, mlp_, streams_;
};

/// The same tests for all families.
class CausalTraceTest : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<CausalLM> const model_ = tiny_family(GetParam()).load(at::kFloat, test_device());
  c10::NoGradGuard const no_gradients_;
};

INSTANTIATE_TEST_SUITE_P(Families, CausalTraceTest, testing::ValuesIn(model_families()));

TEST_P(CausalTraceTest, EqualsRunsOfTheWholeRowOneByOne) {
  auto const prompts = traced_prompts();
  CausalTrace const trace(*model_, prompts, some_noise);
  constexpr double rounding = 1e-7;  // of probabilities around 1/260
  double largest = 0;
  for (auto const kind : {TraceKind::state, TraceKind::mlp, TraceKind::attention}) {
    for (int const width : {1, 2, 10}) {
      if (kind == TraceKind::state && width > 1) continue;
      auto const found = trace.trace(kind, width, 17);
      ASSERT_EQ(found.size(), prompts.size());
      for (std::size_t f = 0; f < prompts.size(); ++f) {
        auto const& prompt = prompts[f];
        SlowTrace slow(*model_, prompt);
        std::map<std::pair<std::size_t, int>, std::pair<double, int>> sums;  // by place and layer, and their numbers
        double corrupted = 0;
        for (int sample = 0; sample < some_noise.samples; ++sample) {
          auto const noise = subject_noise(some_noise, prompt, sample, 16);
          corrupted += slow.run({noise}) / some_noise.samples;
          for (auto token = prompt.subject; token < std::ssize(prompt.ids); ++token) {
            for (int layer = 0; layer < 3; ++layer) {
              auto& [sum, count] = sums[{static_cast<std::size_t>(prompt.place_of(token)), layer}];
              sum += slow.run({noise, kind, window_around(layer, kind, width, 3), token});
              ++count;
            }
          }
        }
        EXPECT_NEAR(found[f].clean, slow.run({}), rounding);
        EXPECT_NEAR(found[f].corrupted, corrupted, rounding);
        largest = std::max(largest, std::abs(found[f].clean - found[f].corrupted));
        for (std::size_t i = 0; i < found[f].restored.size(); ++i) {
          auto const at = std::pair(i / 3, static_cast<int>(i % 3));
          if (!sums.contains(at)) {
            EXPECT_TRUE(std::isnan(found[f].restored[i]));
            continue;
          }
          auto const [sum, count] = sums.at(at);
          EXPECT_NEAR(found[f].restored[i], sum / count, rounding)
              << "fact " << f << ", kind " << static_cast<int>(kind) << " of " << width << ", place " << at.first << ", layer "
              << at.second;
        }
      }
    }
  }
  EXPECT_GT(largest, 100 * rounding);  // something to tell apart
}

TEST_P(CausalTraceTest, WithoutNoiseEverythingIsClean) {
  CausalTrace const trace(*model_, traced_prompts(), {5, 2, 0});
  for (auto const kind : {TraceKind::state, TraceKind::mlp, TraceKind::attention}) {
    for (auto const& found : trace.trace(kind, 2, 100)) {
      EXPECT_NEAR(found.corrupted, found.clean, 1e-6);
      EXPECT_NEAR(found.object_corrupted, found.object_clean, 1e-6);
      for (auto const value : found.restored) EXPECT_TRUE(std::isnan(value) || std::abs(value - found.clean) < 1e-6);
    }
  }
}

TEST_P(CausalTraceTest, TheStatesOfAllThatIsCorruptedBringTheCleanProbabilityBack) {
  auto prompts = traced_prompts();
  CausalTrace const trace(*model_, prompts, some_noise);
  auto const found = trace.trace(TraceKind::state, 1, 64);
  constexpr auto last = static_cast<std::size_t>(TracePlace::last_token),
                 subject = static_cast<std::size_t>(TracePlace::subject_last);
  for (std::size_t f = 0; f < prompts.size(); ++f) {
    // The prompt's last state decides; where the subject's only token is the last one, it does in every layer.
    bool const at_end = prompts[f].after == std::ssize(prompts[f].ids);
    EXPECT_NEAR(found[f].restored[(at_end ? subject : last) * 3 + 2], found[f].clean, 1e-6);
    if (at_end) {
      for (std::size_t layer = 0; layer < 3; ++layer) EXPECT_NEAR(found[f].restored[subject * 3 + layer], found[f].clean, 1e-6);
    }
    // Behind the last layer no other state does anything.
    for (std::size_t place = 0; place < 6; ++place) {
      auto const value = found[f].restored[place * 3 + 2];
      bool const decides = place == last || (at_end && place == subject);
      EXPECT_TRUE(decides || std::isnan(value) || std::abs(value - found[f].corrupted) < 1e-6) << place;
    }
  }
}

TEST_P(CausalTraceTest, TheSizeOfBatchesMovesNothingButRoundings) {
  CausalTrace const trace(*model_, traced_prompts(), some_noise);
  auto const all = trace.trace(TraceKind::mlp, 2, 1000), one = trace.trace(TraceKind::mlp, 2, 1);
  for (std::size_t f = 0; f < all.size(); ++f) {
    for (std::size_t i = 0; i < all[f].restored.size(); ++i) {
      auto const a = all[f].restored[i], b = one[f].restored[i];
      EXPECT_TRUE((std::isnan(a) && std::isnan(b)) || std::abs(a - b) < 1e-6);
    }
  }
}

TEST(FactTraces, WholeObjectsAreProductsOfTheirTokens) {
  auto const model = tiny_gpt2().load(at::kFloat, test_device());
  c10::NoGradGuard const no_gradients;
  auto const prompts = traced_prompts();
  auto const found = CausalTrace(*model, prompts, some_noise).trace(TraceKind::state, 1, 64);
  for (std::size_t f = 0; f < prompts.size(); ++f) {
    double product = 1;
    auto longer = prompts[f];
    for (auto const token : prompts[f].object) {
      longer.object = {token};
      product *= SlowTrace(*model, longer).run({});
      longer.ids.push_back(token);
    }
    EXPECT_NEAR(found[f].object_clean / product, 1, 1e-3);
    EXPECT_GT(found[f].object_corrupted, 0);
    EXPECT_EQ(found[f].deviation, 1.5);
  }
}

TEST(FactTraces, SurviveTheStore) {
  auto const model = tiny_gpt2().load();
  auto const traces = CausalTrace(*model, traced_prompts(), some_noise).trace(TraceKind::state, 1, 64);
  auto const bytes = to_bytes(traces);
  auto const read = fact_traces_from_bytes(bytes, "object 12");
  EXPECT_EQ(to_bytes(read), bytes);
  EXPECT_EQ(read[2].clean, traces[2].clean);
  EXPECT_EQ(read[3].restored[8], traces[3].restored[8]);
  auto const other = write_safetensors({{"unrestored", at::zeros({2, 5}, at::kDouble)}, {"restored", at::zeros({2, 5, 3})}}, {});
  EXPECT_THAT(complaint_of([&] { fact_traces_from_bytes(other, "object 12"); }),
              HasSubstr("object 12 does not hold causal traces"));
}

TEST(LayerWindows, AreThoseOfThePublishedCode) {
  // max(0, layer - w // 2) to min(layers, layer - (-w // 2))
  EXPECT_EQ(window_around(4, TraceKind::mlp, 10, 48), (LayerWindow{0, 9}));
  EXPECT_EQ(window_around(20, TraceKind::mlp, 10, 48), (LayerWindow{15, 25}));
  EXPECT_EQ(window_around(20, TraceKind::attention, 5, 48), (LayerWindow{18, 23}));
  EXPECT_EQ(window_around(47, TraceKind::attention, 10, 48), (LayerWindow{42, 48}));
  EXPECT_EQ(window_around(3, TraceKind::mlp, 1, 48), (LayerWindow{3, 4}));
  EXPECT_EQ(window_around(3, TraceKind::state, 10, 48), (LayerWindow{3, 4}));
}

TEST(SubjectNoise, IsTheItemsOwnAndGrowsWithItsDeviation) {
  auto const prompts = traced_prompts();
  auto const first = subject_noise(some_noise, prompts[0], 0, 4000);
  EXPECT_EQ(first.sizes(), (std::vector<std::int64_t>{3, 4000}));
  EXPECT_NEAR(first.std().item<double>(), 1.5, 0.03);
  EXPECT_NEAR(first.mean().item<double>(), 0, 0.05);
  EXPECT_TRUE(at::equal(first, subject_noise(some_noise, prompts[0], 0, 4000)));
  EXPECT_FALSE(at::equal(first, subject_noise(some_noise, prompts[0], 1, 4000)));
  auto other = prompts[0];
  other.case_id = 8;
  EXPECT_FALSE(at::equal(first, subject_noise(some_noise, other, 0, 4000)));
  EXPECT_FALSE(at::equal(first, subject_noise({6, 3, 1.5}, prompts[0], 0, 4000)));
  EXPECT_LT(largest_difference(first * 2, subject_noise({5, 3, 3}, prompts[0], 0, 4000)), 1e-5);
}

TEST(SubjectNoise, IsMeasuredByTheSubjectsEmbeddings) {
  auto const checkpoint = tiny_gpt2();
  auto const model = checkpoint.load(at::kFloat, test_device());
  TracePrompt const once{1, {5, 6, 7, 8}, {1}, 1, 3}, again{2, {9, 6}, {1}, 1, 2};
  auto const& table = checkpoint.tensors.at("transformer.wte.weight");  // without positions
  auto const expected = at::stack({table[6], table[7], table[6]}).to(at::kDouble).std().item<double>();
  EXPECT_NEAR(subject_deviation(*model, {once, again}), expected, 1e-6);
}

}  // namespace
}  // namespace onemask::test
