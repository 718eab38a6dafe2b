#include "support/thread_ranks.hpp"
#include "support/world.hpp"
#include <onemask/comm/environment.hpp>

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <string>

#include <gtest/gtest.h>

namespace onemask::test {
namespace {

Communicator const* all_ranks = nullptr;               // those of the program
thread_local Communicator const* of_thread = nullptr;  // those of a rank that is a thread
int threads = 1;

/// What the ranks other than 0 have to say: their failures.
class FailurePrinter : public testing::EmptyTestEventListener {
 public:
  explicit FailurePrinter(int rank) : rank_(rank) {}

  // GoogleTest holds its lock while it reports a result, so the name of the test cannot be asked for then.
  void OnTestStart(testing::TestInfo const& test) override { name_ = std::string(test.test_suite_name()) + "." + test.name(); }
  void OnTestEnd(testing::TestInfo const&) override { name_ = "outside a test"; }

  void OnTestPartResult(testing::TestPartResult const& result) override {
    if (!result.failed()) return;
    std::cerr << "rank " << rank_ << ": " << name_ << ": " << (result.file_name() ? result.file_name() : "unknown file") << ":"
              << result.line_number() << ": " << result.message() << std::endl;
  }

 private:
  int rank_;
  std::string name_ = "outside a test";
};

int number_of_threads(int argc, char** argv) {
  std::string const option = "--threads=";
  auto const* const found =
      std::find_if(argv, argv + argc, [&](std::string const& argument) { return argument.starts_with(option); });
  return found == argv + argc ? 1 : std::stoi(std::string(*found).substr(option.size()));
}

int run_tests(Communicator const& world) {
  testing::UnitTest& tests = *testing::UnitTest::GetInstance();
  if (world.rank() != 0) {
    testing::TestEventListeners& listeners = tests.listeners();
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailurePrinter(world.rank()));
  }
  std::int64_t failed = RUN_ALL_TESTS();
  if (tests.test_to_run_count() == 0) {
    std::cerr << "rank " << world.rank() << ": no test ran: the filter leaves none, or the folder shared/ is absent." << std::endl;
    failed = 1;
  }
  return static_cast<int>(world.all_reduce_max(failed));
}

}  // namespace

Communicator const& world() {
  return of_thread != nullptr ? *of_thread : *all_ranks;
}

void on_ranks(std::function<void()> const& body) {
  if (threads == 1) return body();
  run_ranks(threads, [&](Communicator const& world) {
    testing::ScopedTrace const trace(__FILE__, __LINE__, "rank " + std::to_string(world.rank()));
    of_thread = &world;
    body();
  });
}

}  // namespace onemask::test

int main(int argc, char** argv) {
  onemask::Environment environment(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  auto const world = environment.world();
  onemask::test::all_ranks = &world;
  onemask::test::threads = onemask::test::number_of_threads(argc, argv);
  return onemask::test::run_tests(world);
}
