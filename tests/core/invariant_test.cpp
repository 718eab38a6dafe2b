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

}  // namespace
}  // namespace onemask
