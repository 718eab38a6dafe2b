#include <onemask/schedule/simulate.hpp>

#include <gmock/gmock.h>

namespace onemask {
namespace {

TaskGraph tasks_of(std::vector<double> const& seconds) {
  TaskGraph graph{{"work"}, {}};
  for (auto s : seconds) graph.tasks.push_back({.seconds = s});
  return graph;
}

TEST(Simulate, LongestFirstOnTwoRanks) {
  auto const graph = tasks_of({3, 3, 2, 2, 2});

  auto const two = simulate(graph, std::vector<bool>(5), 2, 2);

  EXPECT_DOUBLE_EQ(two.work, 12);
  EXPECT_DOUBLE_EQ(two.makespan, 7);  // 3+2+2 beside 3+2; six would be possible
  EXPECT_DOUBLE_EQ(two.critical_path, 3);
  EXPECT_DOUBLE_EQ(two.efficiency(), 6.0 / 7);
}

TEST(Simulate, OneRankDoesTheWorkAndNoMore) {
  auto const graph = tasks_of({3, 3, 2});
  auto const all = simulate(graph, {false, false, false}, 1, 1), rest = simulate(graph, {true, false, true}, 1, 1);

  EXPECT_DOUBLE_EQ(all.makespan, 8);
  EXPECT_DOUBLE_EQ(rest.makespan, 3);
  EXPECT_DOUBLE_EQ(rest.work, 3);
}

TEST(Simulate, ChainIsTheCriticalPath) {
  auto graph = tasks_of({1, 2, 4});
  graph.tasks[1].after = {0};
  graph.tasks[2].after = {1};

  auto const many = simulate(graph, std::vector<bool>(3), 100, 8);

  EXPECT_DOUBLE_EQ(many.makespan, 7);
  EXPECT_DOUBLE_EQ(many.critical_path, 7);
  EXPECT_DOUBLE_EQ(many.efficiency(), 1);
}

TEST(Simulate, SharedTasksUseAllRanks) {
  TaskGraph graph{{"masks"}, {}};
  for (int i = 0; i < 4; ++i) graph.tasks.push_back({.seconds = 80, .parts = 8});

  EXPECT_DOUBLE_EQ(simulate(graph, std::vector<bool>(4), 1, 1).makespan, 320);
  EXPECT_DOUBLE_EQ(simulate(graph, std::vector<bool>(4), 4, 4).makespan, 80);
  auto const sixteen = simulate(graph, std::vector<bool>(4), 16, 4);
  EXPECT_LT(sixteen.makespan, 22);  // groups of four
  EXPECT_GT(sixteen.makespan, 20);
}

TEST(Simulate, ThousandRanksAreKeptBusy) {
  TaskGraph graph{{"edits", "masks", "evaluation"}, {}};
  for (int i = 0; i < 2000; ++i) graph.tasks.push_back({.kind = 0, .seconds = 10.0 + i % 7});
  std::vector<std::uint32_t> edits(2000);
  for (std::uint32_t i = 0; i < 2000; ++i) edits[i] = i;
  graph.tasks.push_back({.after = edits});
  for (std::uint32_t m = 0; m < 512; ++m) {
    graph.tasks.push_back({.kind = 1, .seconds = 3000, .parts = 8, .after = {2000}});
    auto const mask = static_cast<std::uint32_t>(graph.tasks.size() - 1);
    for (std::uint32_t b = 0; b < 50; ++b) graph.tasks.push_back({.kind = 2, .seconds = 2, .affinity = b + 1, .after = {mask}});
  }

  auto const run = simulate(graph, std::vector<bool>(graph.tasks.size()), 1024, 8);

  EXPECT_GT(run.efficiency(), 0.9);
  EXPECT_GE(run.makespan, run.bound());
}

}  // namespace
}  // namespace onemask
