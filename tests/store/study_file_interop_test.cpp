#include "support/temporary_folder.hpp"
#include <onemask/store/study_file.hpp>

#include <cstdlib>
#include <limits>
#include <string>
#include <sys/wait.h>

#include <gtest/gtest.h>

namespace onemask {
namespace {

constexpr int kSkipped = 77;

TEST(StudyFileInterop, IsReadByH5pyAndPandas) {
  StudyFile study;
  study.attributes = {{"title", "Größe"}, {"empty", ""}};
  study.tables["edits/scores"] = {
      {{"subject", std::vector<std::string>{"Łódź", "", "Rome"}},
       {"fact", std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::min(), 0, std::numeric_limits<std::int64_t>::max()}},
       {"efficacy", std::vector<double>{0.1 + 0.2, -1.5, 0}}}};
  ByteMatrix bits{300, 1000, std::vector<std::uint8_t>(300'000), {{"seed", "3"}}};
  for (std::size_t i = 0; i < bits.values.size(); ++i) bits.values[i] = static_cast<std::uint8_t>(i * 7);
  study.matrices["mask/bits"] = bits;

  test::TemporaryFolder const folder;
  auto const file = folder / "study.h5";
  write_study_file(file, study);
  std::string const command = "'" ONEMASK_PYTHON "' '" ONEMASK_SCRIPT "' '" + file.string() + "'";
  int const status = std::system(command.c_str());
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kSkipped) GTEST_SKIP() << ONEMASK_PYTHON << " has no h5py or no pandas";
  EXPECT_EQ(WEXITSTATUS(status), 0) << "see the Python traceback above";
}

}  // namespace
}  // namespace onemask
