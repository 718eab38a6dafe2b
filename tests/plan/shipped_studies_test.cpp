#include "plan/plan_of.hpp"
#include "support/shared_files.hpp"
#include <onemask/core/file.hpp>
#include <onemask/plan/plan.hpp>

#include <algorithm>
#include <filesystem>
#include <set>

#include <gtest/gtest.h>

namespace onemask::test {
namespace {

std::filesystem::path study_folder() {
  return source_folder() / "res" / "studies";
}

TEST(ShippedStudies, CanBeRead) {
  int read = 0;
  for (auto const& entry : std::filesystem::directory_iterator(study_folder())) {
    if (read_file(entry.path()).find("\nfacts:") == std::string::npos) continue;  // of a pre-training
    auto const study = read_study(entry.path());
    EXPECT_TRUE(!study.points.empty() || study.tracing) << entry.path();
    ++read;
  }
  EXPECT_GT(read, 10);
}

TEST(ShippedStudies, CurvesReadEverySizeOffThreeTrainings) {
  if (!shared_folder()) GTEST_SKIP() << "the facts of this study are not here";
  auto const study = read_study(study_folder() / "curves_cf_gpt2.yaml");
  auto const plan = plan_of(study);
  ASSERT_EQ(plan.masks.size(), 12U * (3 + 1));
  std::set<std::string> trainings;
  for (auto const& mask : plan.masks) trainings.insert(mask.key);
  EXPECT_EQ(trainings.size(), 4U);  // three seeds and their consensus
}

TEST(ShippedStudies, WhatHappensInsideOfModels) {
  auto const study = read_study(study_folder() / "analysis_world_gpt2.yaml");
  auto const plan = plan_of(study);
  EXPECT_FALSE(plan.analyses.empty());
  auto const patches =
      std::count_if(plan.conditions.begin(), plan.conditions.end(), [](auto const& c) { return c.patch.has_value(); });
  EXPECT_EQ(patches, 7);
  EXPECT_TRUE(read_study(study_folder() / "analysis_smollm2.yaml").tracing);
}

}  // namespace
}  // namespace onemask::test
