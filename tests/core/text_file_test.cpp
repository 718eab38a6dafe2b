#include "support/complaint.hpp"
#include "support/temporary_folder.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/json_field.hpp>
#include <onemask/core/text_file.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace onemask::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// "packed text\n", as gzip writes it.
std::string const packed(
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x2b\x48\x4c\xce\x4e\x4d\x51\x28\x49\xad\x28\xe1\x02\x00"
    "\x4c\x40\xb3\x3b\x0c\x00\x00\x00",
    32);

class TextFile : public testing::Test {
 protected:
  std::filesystem::path write(std::string const& content) const {
    write_file_atomically(folder_ / "file", content);
    return folder_ / "file";
  }
  std::string refusal(std::string const& content) const {
    return complaint_of([&] { read_text(write(content)); });
  }
  std::string json_refusal(std::string const& content) const {
    return complaint_of([&] { detail::parse_json_file(write(content)); });
  }

  TemporaryFolder folder_;
};

TEST_F(TextFile, IsReadWithoutItsMarkAndUnpacked) {
  EXPECT_EQ(read_text(write("")), "");
  EXPECT_EQ(read_text(write("a\r\nb")), "a\r\nb");
  EXPECT_EQ(read_text(write("\xef\xbb\xbf"
                            "a")),
            "a");
  EXPECT_EQ(read_text(write(packed)), "packed text\n");
  EXPECT_EQ(read_text(write(packed + packed)), "packed text\npacked text\n");
}

TEST_F(TextFile, LineEnds) {
  EXPECT_EQ(with_plain_line_ends("a\r\n\r\nb\rc\nd\r"), "a\n\nb\rc\nd\r");
  EXPECT_EQ(with_plain_line_ends(""), "");
}

TEST_F(TextFile, WhatStandsInPlaceOfTextIsNamed) {
  auto const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n";
  EXPECT_THAT(refusal(pointer),
              AllOf(HasSubstr("'" + (folder_ / "file").string() + "' is a Git LFS pointer"), HasSubstr("git lfs pull")));
  EXPECT_THAT(complaint_of([&] { read_file(folder_ / "file"); }), HasSubstr("Git LFS"));
  EXPECT_THAT(refusal(std::string("\xff\xfe[\0", 4)), HasSubstr("UTF-16"));
  EXPECT_THAT(refusal(std::string("[\0]\0", 4)), HasSubstr("UTF-16"));
  EXPECT_THAT(refusal(std::string("PK\x03\x04"
                                  "...")),
              HasSubstr("zip"));
  EXPECT_THAT(refusal("\x28\xb5\x2f\xfd..."), HasSubstr("zstd"));
  EXPECT_THAT(refusal("PAR1"), HasSubstr("Parquet"));
  EXPECT_THAT(refusal(packed.substr(0, packed.size() - 4)), AllOf(HasSubstr("gzip"), HasSubstr("cut short")));
  EXPECT_THAT(refusal(packed.substr(0, 20) + "?" + packed.substr(21)), HasSubstr("gzip"));
}

TEST_F(TextFile, JsonSaysWhyItIsNone) {
  EXPECT_THAT(json_refusal(" \n"), HasSubstr("blank"));
  EXPECT_THAT(json_refusal("[1, 2"), HasSubstr("ends too early; fetch it again"));
  for (auto const* text : {"[1, NaN]", "[NaN, 1]", "[Infinity]", "[-Infinity, 3]", "[1,\n NaN]"})
    EXPECT_THAT(json_refusal(text), AllOf(HasSubstr("JSON knows no NaN"), Not(HasSubstr("fetch")))) << text;
  EXPECT_THAT(json_refusal(R"(["x \ud83d"])"), HasSubstr("lone surrogate"));
  EXPECT_THAT(json_refusal("[\"\xe9\"]"), HasSubstr("not UTF-8"));
  EXPECT_THAT(json_refusal("{'a': 1}"), HasSubstr("json.dump"));
  EXPECT_THAT(json_refusal("<!DOCTYPE html><html>"), HasSubstr("web page"));
  EXPECT_THAT(json_refusal("[1,]"), AllOf(HasSubstr("near byte 4 of 4"), Not(HasSubstr("fetch"))));
  EXPECT_THAT(json_refusal("[1e999]"), HasSubstr("out of range"));
}

TEST_F(TextFile, LinesOfJsonAreAList) {
  auto const lines = [&](std::string const& content) { return detail::parse_json_or_lines(write(content)); };
  EXPECT_EQ(lines("{\"a\": 1}\r\n\n{\"a\": 2}"), nlohmann::json::parse(R"([{"a": 1}, {"a": 2}])"));
  EXPECT_EQ(lines("[{\"a\": 1},\n {\"a\": 2}]"), nlohmann::json::parse(R"([{"a": 1}, {"a": 2}])"));
  EXPECT_TRUE(lines("{\"a\": 1}\n").is_object());
  EXPECT_TRUE(lines("{\n\"a\": 1}\n").is_object());
  EXPECT_THAT(complaint_of([&] { lines("{\"a\": 1}\n\n{\"a\": }\n"); }),
              AllOf(HasSubstr("line 3"), HasSubstr("near byte 7 of 7")));
}

}  // namespace
}  // namespace onemask::test
