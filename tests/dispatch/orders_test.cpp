#include <onemask/dispatch/orders.hpp>

#include <stdexcept>

#include <gmock/gmock.h>

namespace onemask {
namespace {

using testing::HasSubstr;

RunEnding const ending{RunEnding::End::interrupted, true, {2, 5}, "A signal stopped the run."};
Failure const failure{Failure::Kind::disk, "text\nof two lines"};
std::vector<Order> const orders{RunTask{7, 1'000'000'000'000, {3, 1, 2}},
                                AbandonGroup{7},
                                StopTask{},
                                GatherResults{},
                                EndWork{ending},
                                Alive{},
                                CheckPresence{}};
std::vector<Report> const reports{WorkerReady{3},       TaskDone{7, 1'000'000'000'000, true},
                                  TaskDropped{7, 4},    TaskFailed{7, 4, failure},
                                  TaskShare{4, 0.25},   Present{},
                                  SignalReceived{},     ResultsGathered{true},
                                  GatherFailed{failure}};

TEST(Orders, ComeOutAsTheyWentIn) {
  ASSERT_EQ(orders.size(), std::variant_size_v<Order>);
  for (auto const& order : orders) EXPECT_EQ(order_from_bytes(to_bytes(order)), order) << order.index();
}

TEST(Orders, ReportsToo) {
  ASSERT_EQ(reports.size(), std::variant_size_v<Report>);
  for (auto const& report : reports) EXPECT_EQ(report_from_bytes(to_bytes(report)), report) << report.index();
}

TEST(Orders, MessagesOfAnotherLengthAreRefused) {
  for (auto const& order : orders) {
    auto const bytes = to_bytes(order);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      EXPECT_THROW(static_cast<void>(order_from_bytes(bytes.substr(0, size))), std::logic_error) << order.index() << " " << size;
    EXPECT_THROW(static_cast<void>(order_from_bytes(bytes + '\0')), std::logic_error) << order.index();
  }
}

TEST(Orders, UnknownKindsAreRefused) {
  auto bytes = to_bytes(Order{StopTask{}});
  bytes[0] = static_cast<char>(std::variant_size_v<Order>);
  try {
    static_cast<void>(order_from_bytes(bytes));
    FAIL();
  } catch (std::logic_error const& error) {
    EXPECT_THAT(error.what(), HasSubstr("unknown kind"));
  }
}

TEST(Orders, UnknownKindsOfFailuresAndEndsAreRefused) {
  auto const past = [](auto last) { return static_cast<decltype(last)>(static_cast<int>(last) + 1); };
  EXPECT_THROW(static_cast<void>(report_from_bytes(to_bytes(Report{GatherFailed{{past(Failure::Kind::defect), ""}}}))),
               std::logic_error);
  EXPECT_THROW(static_cast<void>(order_from_bytes(to_bytes(Order{EndWork{{past(RunEnding::End::refused)}}}))), std::logic_error);
}

}  // namespace
}  // namespace onemask
