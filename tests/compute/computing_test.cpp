#include "support/temporary_folder.hpp"
#include "support/world.hpp"
#include <onemask/comm/environment.hpp>
#include <onemask/compute/computing.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/gpu/gpus.hpp>

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

std::string name_in(std::string const& cpuinfo) {
  test::TemporaryFolder const folder;
  write_file_atomically(folder / "cpuinfo", cpuinfo);
  return processor_name(folder / "cpuinfo");
}

TEST(Computing, NamesTheProcessor) {
  EXPECT_EQ(name_in("processor\t: 0\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC\nstepping\t: 1\n\n"
                    "processor\t: 1\nmodel name\t: another\n"),
            "AMD EPYC (family 25, model 1)");
  EXPECT_THAT(name_in("processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n"),
              MatchesRegex("[a-z0-9_]+ \\(implementer 0x41, part 0xd0c\\)"));
  EXPECT_THAT(name_in(""), MatchesRegex("[a-z0-9_]+"));
}

TEST(Computing, NamesTheKindThatNumbersComeFrom) {
  auto const info = runtime_info(c10::kCPU);
  EXPECT_EQ(kind_of_numbers(c10::kCPU),
            "LibTorch " + info.at("libtorch") + " on " + info.at("processor") + ", " + info.at("instruction_set"));
  EXPECT_THAT(info.at("libtorch"), MatchesRegex("[0-9]+\\.[0-9]+.*"));
  if (visible_gpus() == 0) return;
  EXPECT_THAT(kind_of_numbers({c10::kCUDA, 0}),
              HasSubstr("CUDA " + info.at("cuda") + " on " + describe_gpu({c10::kCUDA, 0}).name));
}

TEST(Computing, ListsEveryKindOnce) {
  auto const world = test::world();
  EXPECT_EQ(joined_kinds(world, "one kind"), "one kind");
  EXPECT_EQ(joined_kinds(world, "kind " + std::to_string(world.rank() % 2)), world.size() == 1 ? "kind 0" : "kind 0\nkind 1");
  EXPECT_EQ(joined_kinds({"b\na", "", "a", "c\nb"}), "a\nb\nc");
  EXPECT_EQ(joined_kinds({}), "");
}

TEST(Computing, RefusesSeveralWaysToCompute) {
  auto const world = test::world();
  std::string const first = "cpu float32 float32 threads 1", others = "cuda float32 float32 threads 1";
  expect_one_execution(world, others);
  auto const own = world.rank() == 0 ? first : others;
  if (world.size() == 1) return expect_one_execution(world, own);
  try {
    expect_one_execution(world, own);
    ADD_FAILURE() << "the bits of a run would depend on where its tasks are done";
  } catch (UserError const& error) {
    EXPECT_THAT(error.what(),
                testing::HasSubstr(fmt::format(": 1 rank on '{0}' ({2}), 1 rank on '{1}' ({2}). ", first, others, host_name())));
  }
}

TEST(Computing, LeavesNoVersionOut) {
  for (auto const& [key, value] : runtime_info(c10::kCPU)) EXPECT_FALSE(value.empty()) << key;
}

}  // namespace
}  // namespace onemask
