#include <onemask/core/invariant.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(Invariant, SaysWhatIsBrokenAndWhere) {
  std::string const name = "mask";
  try {
    invariant(1 + 1 == 3, "the kind ", name, " has ", 7, " tasks of ", std::size_t{5});
    FAIL() << "it held";
  } catch (BrokenInvariant const& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("the kind mask has 7 tasks of 5"), HasSubstr("invariant_test.cpp:")));
  }
}

TEST(Invariant, CostlyOnesAreAskedInDebugBuildsAlone) {
  bool asked = false;
  costly_invariant(
      [&] {
        asked = true;
        return true;
      },
      "never seen");
#ifdef NDEBUG
  EXPECT_FALSE(asked);
#else
  EXPECT_TRUE(asked);
#endif
}

}  // namespace
}  // namespace onemask
