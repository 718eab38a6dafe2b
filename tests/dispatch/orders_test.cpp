#include <onemask/dispatch/orders.hpp>

#include <stdexcept>

#include <gtest/gtest.h>

namespace onemask {
namespace {

TEST(Orders, ComeOutAsTheyWentIn) {
  Order const order{Order::What::run, 7, 1'000'000'000'000, {3, 1, 2}, "text\nof two lines"};
  auto const read = order_from_bytes(to_bytes(order));

  EXPECT_EQ(read.what, order.what);
  EXPECT_EQ(read.number, order.number);
  EXPECT_EQ(read.task, order.task);
  EXPECT_EQ(read.ranks, order.ranks);
  EXPECT_EQ(read.text, order.text);
}

TEST(Orders, ReportsToo) {
  Report const report{Report::What::failed, 9, 4, 0.25, "why"};
  auto const read = report_from_bytes(to_bytes(report));

  EXPECT_EQ(read.what, report.what);
  EXPECT_EQ(read.number, report.number);
  EXPECT_EQ(read.task, report.task);
  EXPECT_EQ(read.value, report.value);
  EXPECT_EQ(read.text, report.text);
}

TEST(Orders, TheLastOneCarriesTheEnding) {
  RunEnding const ending{RunEnding::End::interrupted, true, {2, 5}, "A signal stopped the run."};
  auto const read = ending_from_order(order_from_bytes(to_bytes(to_order(ending))));

  EXPECT_EQ(read.end, ending.end);
  EXPECT_TRUE(read.stuck);
  EXPECT_EQ(read.dead, ending.dead);
  EXPECT_EQ(read.sentence, ending.sentence);
}

TEST(Orders, TornMessagesAreRefused) {
  auto const bytes = to_bytes(Order{Order::What::run, 1, 2, {3, 4}});
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_THROW(static_cast<void>(order_from_bytes(bytes.substr(0, size))), std::length_error) << size;
}

}  // namespace
}  // namespace onemask
