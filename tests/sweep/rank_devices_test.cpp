#include "sweep/rank_devices.hpp"

#include "support/complaint.hpp"
#include <onemask/core/error.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

RankDevice with_device(std::string const& host, std::string const& id, std::set<int> cores = {}) {
  return {.host = host, .device = "cuda:" + id, .id = id, .near_cores = std::move(cores)};
}

TEST(RankDevices, ARankWithoutOneEndsAllAndNamesItsHost) {
  RankDevice const missing{.host = "n2", .failure = "No GPU is visible.", .is_bad_input = true};
  EXPECT_NO_THROW(expect_devices({with_device("n1", "0"), with_device("n2", "0")}));
  EXPECT_EQ(test::complaint_of([&] { expect_devices({missing, missing}); }), "No GPU is visible.");
  EXPECT_THAT(test::complaint_of([&] {
                expect_devices({with_device("n1", "0"), missing, missing});
              }),
              AllOf(HasSubstr("On n2: No GPU is visible. 1 of 3 ranks have their device."), HasSubstr("or without this host;")));
  EXPECT_THROW(expect_devices({with_device("n1", "0"), missing}), UserError);
  RankDevice broken = missing;
  broken.is_bad_input = false;
  EXPECT_THROW(expect_devices({with_device("n1", "0"), broken}), RunError);
}

TEST(RankDevices, RanksThatShareADeviceAreNamedByHost) {
  EXPECT_EQ(sharing_warning({with_device("n1", "0"), with_device("n1", "1"), with_device("n2", "0")}), "");
  EXPECT_EQ(sharing_warning({{.host = "n1"}, {.host = "n1"}}), "") << "on CPUs";
  auto const warning =
      sharing_warning({with_device("n1", "0"), with_device("n2", "0"), with_device("n2", "0"), with_device("n2", "1")});
  EXPECT_THAT(warning, HasSubstr("(n2: 3 ranks on 2 devices)"));
}

TEST(RankDevices, RanksKeepToTheCoresBesideTheirDevices) {
  std::set<int> const left{0, 1, 2, 3}, right{4, 5};
  std::vector<RankDevice> const ranks{with_device("n1", "0", right), with_device("n1", "1", left), with_device("n1", "2", left),
                                      with_device("n2", "0", right)};
  EXPECT_EQ(cores_beside(ranks, 0, 2), right) << "a rank of another host does not compete for them";
  EXPECT_EQ(cores_beside(ranks, 1, 2), left);
  EXPECT_EQ(cores_beside(ranks, 2, 2), left);
}

TEST(RankDevices, RanksStayAsTheyWereStartedWhereThoseCoresAreTooFewOrUnknown) {
  std::set<int> const both{0, 1};
  std::vector<RankDevice> const ranks{with_device("n1", "0", both), with_device("n1", "1", both), with_device("n1", "2")};
  EXPECT_THAT(cores_beside(ranks, 0, 1), ElementsAre(0, 1));
  EXPECT_THAT(cores_beside(ranks, 0, 2), IsEmpty());
  EXPECT_THAT(cores_beside(ranks, 1, 2), IsEmpty());
  EXPECT_THAT(cores_beside(ranks, 2, 1), IsEmpty());
}

}  // namespace
}  // namespace onemask
