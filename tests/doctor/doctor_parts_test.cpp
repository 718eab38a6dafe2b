#include "doctor/rank_facts.hpp"
#include "doctor/slurm_job.hpp"
#include "support/temporary_folder.hpp"
#include <onemask/doctor/findings.hpp>

#include <algorithm>
#include <fstream>
#include <map>

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

/// The finding on a subject; ok and empty when there is none.
Finding on(Findings const& findings, std::string const& subject) {
  auto const found = std::find_if(findings.begin(), findings.end(), [&](auto const& f) { return f.subject == subject; });
  return found != findings.end() ? *found : Finding{};
}

TEST(Findings, OfAllRanksAreMerged) {
  Finding const good{Verdict::ok, "a", "fine"}, bad{Verdict::problem, "a", "broken"}, hint{Verdict::warning, "b", "slow"};
  EXPECT_THAT(merge({Findings{good}, Findings{good}}), ElementsAre(good));
  EXPECT_THAT(merge({Findings{good}, Findings{}, std::nullopt}), ElementsAre(good));
  EXPECT_THAT(merge({Findings{hint}, std::nullopt}), ElementsAre(hint));
  EXPECT_THAT(merge({Findings{good}, Findings{bad}, Findings{good}, Findings{bad, hint}, Findings{}}),
              ElementsAre(Finding{Verdict::ok, "a", "ranks 0, 2: fine"}, Finding{Verdict::problem, "a", "ranks 1, 3: broken"},
                          Finding{Verdict::warning, "b", "rank 3: slow"}));
  EXPECT_THAT(merge({Findings{}, Findings{bad}}), ElementsAre(Finding{Verdict::problem, "a", "rank 1: broken"}));
  EXPECT_EQ(list_of({0, 1, 2, 5, 7, 8}), "0-2, 5, 7-8");
}

TEST(Findings, TravelAsBytes) {
  Findings const findings{{Verdict::problem, "a \"b\"", "line\nbreak"}, {Verdict::warning, "c", "µs"}};
  EXPECT_EQ(findings_from(to_bytes(findings)), findings);
  EXPECT_EQ(findings_from(to_bytes(Findings())), Findings());
}

TEST(Findings, AreAlignedLines) {
  std::vector<FindingSection> const sections{{"disk", {{Verdict::ok, "type", "ext4"}, {Verdict::warning, "space", "little"}}}};
  EXPECT_EQ(format_text(sections), "disk\n  ok       type   ext4\n  warning  space  little\n0 problems, 1 warning\n");
  EXPECT_EQ(gravest(sections), Verdict::warning);
  std::string words;
  for (int i = 0; i < 60; ++i) words += "word ";
  for (std::size_t begin = 0, end = 0;
       (end = format_text({{"x", {{Verdict::ok, "y", words}}}}).find('\n', begin)) != std::string::npos; begin = end + 1) {
    EXPECT_LE(end - begin, 128u);
  }
  EXPECT_EQ(format_json(sections),
            R"({"verdict":"warning","sections":[{"title":"disk","findings":[{"verdict":"ok","subject":"type","text":"ext4"},)"
            R"({"verdict":"warning","subject":"space","text":"little"}]}]})"
            "\n");
}

RankFacts rank_on(std::string const& host, std::vector<int> cores) {
  RankFacts facts;
  facts.host = host;
  facts.program = "1.0";
  facts.library = "MPI 4";
  facts.processor = "CPU";
  facts.cores = std::move(cores);
  facts.memory = {8'000'000'000, 4'000'000'000};
  facts.device = "cpu";
  facts.rate = 1e10;
  return facts;
}

RankFacts rank_on_gpu(std::string const& bus_id, int visible) {
  auto facts = rank_on("a", {0, 1, 2, 3});
  facts.device = "cuda:0";
  facts.visible_gpus = visible;
  facts.gpu = "GPU X";
  facts.bus_id = bus_id;
  facts.gpu_memory = 80'000'000'000;
  facts.gpu_free = 79'000'000'000;
  return facts;
}

TEST(RankFacts, TravelAsBytes) {
  auto facts = rank_on_gpu("00:1", 2);
  facts.quota = 1.5;
  facts.uuid = "GPU-1";
  facts.numa_node = 1;
  facts.near_cores = 2;
  facts.clock = -0.25;
  auto const same = rank_facts_from(to_bytes(facts));
  EXPECT_EQ(to_bytes(same), to_bytes(facts));
  EXPECT_EQ(same.cores, facts.cores);
  EXPECT_EQ(same.gpu_free, facts.gpu_free);
}

TEST(Hosts, AreWellWhereRanksHaveTheirCores) {
  auto const findings = judge_hosts({rank_on("a", {0}), rank_on("a", {1}), rank_on("b", {0, 1})});
  for (auto const& finding : findings) EXPECT_EQ(finding.verdict, Verdict::ok) << finding.text;
  EXPECT_EQ(on(findings, "a").text, "ranks 0-1: 2 threads on 2 cores, 4.0 GB of 8.0 GB of memory free, cpu");
}

TEST(Hosts, WithMoreThreadsThanCoresAreNamed) {
  auto const crowded = judge_hosts({rank_on("a", {0}), rank_on("a", {0})});
  EXPECT_EQ(on(crowded, "a").verdict, Verdict::warning);
  EXPECT_EQ(on(crowded, "binding").verdict, Verdict::ok);
  auto limited = rank_on("a", {0, 1, 2, 3});
  limited.threads = 3;
  limited.quota = 2;
  EXPECT_EQ(on(judge_hosts({limited}), "a").verdict, Verdict::warning);
  auto narrow = rank_on("b", {5});
  narrow.threads = 4;
  EXPECT_THAT(on(judge_hosts({rank_on("a", {0}), narrow}), "binding").text, AllOf(HasSubstr("rank 1"), HasSubstr("PE=4")));
}

TEST(Hosts, WithDifferentProgramsProcessorsAndClocksAreNamed) {
  auto other = rank_on("b", {0});
  other.program = "1.1";
  other.processor = "older CPU";
  other.clock = -90;
  auto const findings = judge_hosts({rank_on("a", {0}), other});
  EXPECT_EQ(on(findings, "same program").verdict, Verdict::problem);
  EXPECT_THAT(on(findings, "same program").text, HasSubstr("1.1, MPI 4 (rank 1)"));
  EXPECT_EQ(on(findings, "processors").verdict, Verdict::warning);
  EXPECT_THAT(on(findings, "clocks").text, AllOf(HasSubstr("rank 1"), HasSubstr("1 min 30 s")));
}

TEST(Devices, AreWellWhereEveryRankHasItsGpu) {
  auto const findings = judge_devices({rank_on_gpu("00:1", 2), rank_on_gpu("00:2", 2)});
  for (auto const& finding : findings) EXPECT_EQ(finding.verdict, Verdict::ok) << finding.text;
  EXPECT_EQ(on(findings, "GPU").text, "GPU X (ranks 0-1): at least 79 GB of 80 GB free");
}

TEST(Devices, ThatAreSharedIdleBusyOrMissingAreNamed) {
  auto const shared = judge_devices({rank_on_gpu("00:1", 1), rank_on_gpu("00:1", 1)});
  EXPECT_THAT(on(shared, "GPU per rank").text, HasSubstr("ranks 0-1: share a GPU"));
  auto one = rank_on_gpu("00:1", 1), other = one;
  one.uuid = "GPU-1";
  other.uuid = "GPU-2";
  EXPECT_EQ(on(judge_devices({one, other}), "GPU per rank").verdict, Verdict::ok) << "of two hosts with one name";
  EXPECT_EQ(on(judge_devices({rank_on_gpu("00:1", 4)}), "idle GPUs").verdict, Verdict::warning);
  auto busy = rank_on_gpu("00:1", 1);
  busy.gpu_free = 1'000'000'000;
  EXPECT_EQ(on(judge_devices({busy}), "GPU").verdict, Verdict::warning);
  EXPECT_EQ(on(judge_devices({rank_on_gpu("00:1", 1), rank_on("b", {0})}), "devices").verdict, Verdict::problem);
}

TEST(Devices, ThatCannotBeToldApartAreNotJudged) {
  auto const unknown = rank_on_gpu("", 4);
  auto const findings = judge_devices({unknown, unknown});
  EXPECT_EQ(on(findings, "GPU per rank").text, "");
  EXPECT_EQ(on(findings, "idle GPUs").text, "");
}

/// Rank r of `hosts` with eight GPUs each.
RankFacts rank_of_eight(std::size_t r) {
  auto facts = rank_on_gpu(fmt::format("0000:{:02x}:00.0", 16 * (r % 8) + 1), 8);
  facts.host = fmt::format("n{:02}", r / 8 + 1);
  facts.device = fmt::format("cuda:{}", r % 8);
  facts.numa_node = r % 8 < 4 ? 0 : 1;
  facts.near_cores = 4;
  return facts;
}

TEST(Devices, OfManyRanksAreToldOnceForEqualHosts) {
  std::vector<RankFacts> ranks;
  for (std::size_t r = 0; r < 64; ++r) ranks.push_back(rank_of_eight(r));
  auto findings = judge_devices(ranks);
  EXPECT_THAT(findings, testing::Each(testing::Field(&Finding::verdict, Verdict::ok)));
  EXPECT_THAT(on(findings, "which GPU").text,
              AllOf(testing::StartsWith("ranks 0-7 on n01; ranks 8-15 on n02; "),
                    HasSubstr("ranks 56-63 on n08: cuda:0 at 0000:01:00.0 (NUMA node 0), cuda:1 at 0000:11:00.0 (NUMA node 0), "),
                    testing::EndsWith(", cuda:7 at 0000:71:00.0 (NUMA node 1)")));
  EXPECT_EQ(on(findings, "NUMA").text, "every rank may use cores next to its GPU");
  auto const report = format_text({{"devices", findings}});
  EXPECT_LT(std::count(report.begin(), report.end(), '\n'), 16);

  std::swap(ranks[9].device, ranks[10].device);
  ranks[12].near_cores = ranks[13].near_cores = 0;
  findings = judge_devices(ranks);
  EXPECT_EQ(std::count_if(findings.begin(), findings.end(), [](auto const& finding) { return finding.subject == "which GPU"; }),
            2);
  EXPECT_EQ(on(findings, "NUMA").verdict, Verdict::warning);
  EXPECT_THAT(on(findings, "NUMA").text, AllOf(testing::StartsWith("ranks 12-13: "), HasSubstr("--bind-to none")));
}

TEST(Devices, ThatAreSlowAreNamed) {
  auto slow = rank_on("b", {0});
  slow.rate = 4e9;
  auto const finding = on(judge_devices({rank_on("a", {0}), rank_on("a", {1}), slow}), "products");
  EXPECT_EQ(finding.verdict, Verdict::warning);
  EXPECT_THAT(finding.text, AllOf(HasSubstr("4 GFLOP/s to 10 GFLOP/s"), HasSubstr("Rank 2 on b")));
}

Findings judge(std::map<std::string, std::string> const& variables, int ranks, int most_on_a_host) {
  auto const variable = [&](std::string const& name) {
    auto const found = variables.find(name);
    return found != variables.end() ? std::optional(found->second) : std::nullopt;
  };
  return judge_slurm_job(variable, 1'000'000, ranks, most_on_a_host);
}

TEST(SlurmJob, IsJudgedByItsEnvironment) {
  EXPECT_THAT(judge({}, 2, 2), testing::IsEmpty());
  std::map<std::string, std::string> job{{"SLURM_JOB_ID", "17"},       {"SLURM_JOB_NUM_NODES", "2"},
                                         {"SLURM_NTASKS", "8"},        {"SLURM_JOB_END_TIME", "1007200"},
                                         {"SLURM_RESTART_COUNT", "3"}, {"SLURM_GPUS_ON_NODE", "4"}};
  auto const good = judge(job, 8, 4);
  for (auto const& finding : good) EXPECT_EQ(finding.verdict, Verdict::ok) << finding.text;
  EXPECT_THAT(on(good, "job").text, HasSubstr("restarted 3 times"));
  EXPECT_EQ(on(good, "time limit").text, "2 h 00 min left");
  job["SLURM_JOB_END_TIME"] = "1000060";
  job["SLURM_GPUS_PER_TASK"] = "1";
  auto const bad = judge(job, 4, 4);
  EXPECT_EQ(on(bad, "tasks").verdict, Verdict::warning);
  EXPECT_EQ(on(bad, "time limit").verdict, Verdict::warning);
  EXPECT_THAT(on(bad, "GPUs").text, HasSubstr("--gpus-per-node"));
  EXPECT_EQ(on(judge(job, 8, 1), "GPUs").verdict, Verdict::ok);
  job["SLURM_JOB_END_TIME"] = "soon";
  EXPECT_EQ(on(judge(job, 8, 1), "time limit").verdict, Verdict::ok);
}

/// A /proc and /sys of one's own.
class FakeRoot {
 public:
  void put(std::string const& name, std::string const& content) const {
    auto const file = folder_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << content;
  }
  std::filesystem::path const& path() const { return folder_.path(); }

 private:
  test::TemporaryFolder folder_;
};

TEST(HostLimits, AreThoseOfTheMachineWithoutControlGroups) {
  FakeRoot const root;
  EXPECT_EQ(memory_of(root.path()).size, 0u);
  root.put("proc/meminfo", "MemTotal:   1000 kB\nMemFree: 1 kB\nMemAvailable:    600 kB\n");
  EXPECT_EQ(memory_of(root.path()).size, 1024'000u);
  EXPECT_EQ(memory_of(root.path()).available, 614'400u);
  EXPECT_EQ(core_quota(root.path()), 0);
}

TEST(HostLimits, AreTheTightestOfTheControlGroups) {
  FakeRoot const root;
  root.put("proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 600 kB\n");
  root.put("proc/self/cgroup", "0::/job/step\n");
  root.put("sys/fs/cgroup/job/step/memory.max", "max\n");
  root.put("sys/fs/cgroup/job/memory.max", "200000\n");
  root.put("sys/fs/cgroup/job/memory.current", "150000\n");
  root.put("sys/fs/cgroup/job/memory.stat", "anon 50000\nfile 100000\n");
  root.put("sys/fs/cgroup/job/step/cpu.max", "max 100000\n");
  root.put("sys/fs/cgroup/job/cpu.max", "150000 100000\n");
  EXPECT_EQ(memory_of(root.path()).size, 200'000u);
  EXPECT_EQ(memory_of(root.path()).available, 150'000u);
  EXPECT_EQ(core_quota(root.path()), 1.5);
}

TEST(HostLimits, AreReadFromControlGroupsOfTheFirstVersion) {
  FakeRoot const root;
  root.put("proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 600 kB\n");
  root.put("proc/self/cgroup", "4:memory:/job\n3:cpu,cpuacct:/job\nnonsense\n");
  root.put("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "100000\n");
  root.put("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "130000\n");
  root.put("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "200000\n");
  root.put("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(memory_of(root.path()).size, 100'000u);
  EXPECT_EQ(memory_of(root.path()).available, 0u);
  EXPECT_EQ(core_quota(root.path()), 2);
}

}  // namespace
}  // namespace onemask
