#include "support/temporary_folder.hpp"
#include <onemask/core/cores.hpp>

#include <fstream>
#include <thread>

#include <gmock/gmock.h>

namespace onemask {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Cores, ReadsAndWritesListsOfLinux) {
  EXPECT_THAT(read_core_list("0-3,8"), ElementsAre(0, 1, 2, 3, 8));
  EXPECT_THAT(read_core_list("5"), ElementsAre(5));
  EXPECT_EQ(to_core_list({0, 1, 2, 3, 8, 10, 11}), "0-3,8,10-11");
  EXPECT_EQ(to_core_list({}), "");
}

TEST(Cores, WhatIsNoListNamesNoCore) {
  for (auto const* text : {"", "a", "1-", "-1", "3-1", "0,,1", "0-1x", "0-99999999", "1;2"})
    EXPECT_THAT(read_core_list(text), IsEmpty()) << text;
}

TEST(Cores, FindsThoseNextToADevice) {
  test::TemporaryFolder const root;
  auto const device = root.path() / "sys/bus/pci/devices/0000:3b:00.0";
  std::filesystem::create_directories(device);
  std::ofstream(device / "local_cpulist") << "16-17,48\n";
  std::ofstream(device / "numa_node") << "2\n";
  EXPECT_EQ(numa_node_of("0000:3B:00.0", root.path()), 2);
  EXPECT_EQ(numa_node_of("0000:3C:00.0", root.path()), -1);
  EXPECT_THAT(cores_near("0000:3B:00.0", root.path()), ElementsAre(16, 17, 48));
  EXPECT_THAT(cores_near("0000:3C:00.0", root.path()), IsEmpty());
  EXPECT_THAT(cores_near("", root.path()), IsEmpty());
}

TEST(Cores, AThreadAndThoseThatItStartsUseOnlyWhatItIsGiven) {
  auto const all = usable_cores();
  ASSERT_FALSE(all.empty());
  std::set<int> const one{*all.rbegin()};
  std::set<int> own, started;
  bool permitted = false;
  std::thread([&] {
    permitted = use_only(one);
    own = usable_cores();
    std::thread([&] { started = usable_cores(); }).join();
  }).join();
  EXPECT_TRUE(permitted);
  EXPECT_EQ(own, one);
  EXPECT_EQ(started, one);
  EXPECT_EQ(usable_cores(), all);
}

TEST(Cores, NoneAtAllAreNotPermitted) {
  auto const all = usable_cores();
  EXPECT_FALSE(use_only({}));
  EXPECT_EQ(usable_cores(), all);
}

}  // namespace
}  // namespace onemask
