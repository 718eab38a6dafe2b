#include "support/world.hpp"
#include <onemask/comm/environment.hpp>

#include <cstdint>
#include <iostream>
#include <string>

#include <gtest/gtest.h>

namespace onemask::test {
namespace {

Communicator* all_ranks = nullptr;

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

int run_tests(Communicator& world) {
  testing::UnitTest& tests = *testing::UnitTest::GetInstance();
  if (world.rank() != 0) {
    testing::TestEventListeners& listeners = tests.listeners();
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailurePrinter(world.rank()));
  }
  std::int64_t failed = RUN_ALL_TESTS();
  if (tests.test_to_run_count() == 0) {
    std::cerr << "rank " << world.rank() << ": no test ran; check the filter." << std::endl;
    failed = 1;
  }
  return static_cast<int>(world.all_reduce_max(failed));
}

}  // namespace

Communicator& world() {
  return *all_ranks;
}

}  // namespace onemask::test

int main(int argc, char** argv) {
  onemask::Environment environment(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  onemask::Communicator world = environment.world();
  onemask::test::all_ranks = &world;
  return onemask::test::run_tests(world);
}
