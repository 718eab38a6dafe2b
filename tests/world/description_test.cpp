#include "support/complaint.hpp"
#include "support/temporary_folder.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/world/description.hpp>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string const shipped_file = std::string(ONEMASK_SOURCE_DIR) + "/res/worlds/small.yaml";

/// What the reader says about the shipped world with one place changed.
std::string message_with(std::string const& old_text, std::string const& new_text) {
  auto text = read_file(shipped_file);
  auto const place = text.find(old_text);
  if (place == text.npos) return "the test's text '" + old_text + "' is not there";
  test::TemporaryFolder const folder;
  write_file_atomically(folder / "w.yaml", text.replace(place, old_text.size(), new_text));
  return test::complaint_of([&] { read_world(folder / "w.yaml"); });
}

TEST(WorldDescription, ReadsTheShippedWorld) {
  auto const world = read_world(shipped_file);
  ASSERT_EQ(world.relations.size(), 15U);
  auto const& first = world.relations.front();
  EXPECT_EQ(first.id, "W01");
  EXPECT_EQ(first.objects.size(), 20U);
  EXPECT_EQ(first.objects.front(), "Danish");
  EXPECT_EQ(first.rewrites, 3U);
  EXPECT_EQ(first.wordings.size(), 12U);
  EXPECT_EQ(world.counts.subjects(first), 440U);
  EXPECT_EQ(world.counts.subjects(world.relations.back()), 270U);
}

TEST(WorldDescription, ErrorsNameFileRelationAndPlace) {
  EXPECT_THAT(message_with("    rewrites:", "    rewritez:"),
              AllOf(HasSubstr("w.yaml"), HasSubstr("'relations.W01.rewrites' is missing")));
  EXPECT_THAT(message_with("    beginnings:", "    colour: red\n    beginnings:"),
              HasSubstr("'relations.W01.colour' is not a key that a world knows."));
  EXPECT_THAT(message_with("\nprose:", "\nporse:"), HasSubstr("'prose.words' is missing"));
  EXPECT_THAT(message_with("Danish | Finnish", "Danish | Danish"), HasSubstr("'relations.W01.objects' has 'Danish' twice"));
  EXPECT_THAT(message_with("Danish | Finnish", "Danish | Danube"),
              HasSubstr("'relations.W01.objects' has 'Danish' and 'Danube', which begin with the same three letters"));
  EXPECT_THAT(message_with("Danish | Finnish", "Old Danish | Old Norse"), HasSubstr("which begin with the same word"));
  EXPECT_THAT(message_with("Danish | Finnish", "Danish | | Finnish"), HasSubstr("at least three letters"));
  EXPECT_THAT(
      message_with("{} earns a living as a", "She earns a living as a"),
      HasSubstr("'relations.W02.rewrites' has 'She earns a living as a', which must have exactly one {} for the subject"));
  EXPECT_THAT(message_with("{} earns a living as a", "A living as a baker earns {}"), HasSubstr("must continue after {}"));
  EXPECT_THAT(message_with("{} earns a living as a", "{} earns a living as a "), HasSubstr("with a space at an end"));
  EXPECT_THAT(message_with("- \"{} trained hard to become a\"\n", "- \"{} earns a living as a\"\n"),
              HasSubstr("is one of 'rewrites'"));
  EXPECT_THAT(message_with("subjects: town", "subjects: towns"),
              HasSubstr("'relations.W04.subjects' names 'towns', which is not a symbol of 'grammar'. Did you mean 'town'?"));
  EXPECT_THAT(message_with("  W02:", "  W01:"), HasSubstr("'relations.W01' is given twice"));
  EXPECT_THAT(message_with("topics: weather", "topics: whether"), HasSubstr("'prose.topics' names 'whether'"));
  EXPECT_THAT(message_with("  W02:", "  \"W 2\":"), HasSubstr("must be letters and digits"));
}

TEST(WorldDescription, CountsMustLetEveryRecordHaveItsNeighbours) {
  EXPECT_THAT(message_with("ood_background: 210", "ood_background: 20"),
              AllOf(HasSubstr("each object of the relation 'W11' only 5 subjects"), HasSubstr("Raise 'ood_background'")));
  EXPECT_THAT(message_with("train: 300", "train: 3000"), HasSubstr("'counts.train' is more than 1000"));
  EXPECT_THAT(message_with("train: 300", "train: 900"), HasSubstr("1040 subjects, more than 1000"));
  EXPECT_THAT(message_with("train: 300", "train: -3"), HasSubstr("'counts.train'"));
  EXPECT_THAT(message_with("paragraph: [3, 6]", "paragraph: [6, 3]"), HasSubstr("'prose.paragraph' must be [least, most]"));
  EXPECT_THAT(message_with("facts: 0.1", "facts: 1.5"), HasSubstr("'prose.facts' must be a share between 0 and 1"));
}

TEST(WorldDescription, TooFewWordingsAreRefused) {
  EXPECT_THAT(message_with("      - \"Asked for a lullaby, {} sings in\"\n      - \"In sleep {} mutters in\"\n"
                           "      - \"Letters from {} are penned in\"\n",
                           ""),
              HasSubstr("'relations.W01.wordings' are too few: with 'rewrites' there are 9, but a relation needs at least 10"));
}

}  // namespace
}  // namespace onemask
