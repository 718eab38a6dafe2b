#include "support/temporary_folder.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/hash.hpp>

#include <cmath>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using std::string_literals::operator""s;

constexpr char const* abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr char const* million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

TEST(Sha256, GivesTheVectorsOfTheStandard) {  // FIPS 180-2, appendix B
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), abc);
  EXPECT_EQ(sha256(std::string(1000000, 'a')), million);
}

TEST(Sha256, OfAFileIsThatOfItsContent) {
  test::TemporaryFolder const folder;
  write_file_atomically(folder / "abc", "abc");
  write_file_atomically(folder / "long", std::string(3 << 20, 'x'));
  EXPECT_EQ(sha256_file(folder / "abc"), abc);
  EXPECT_EQ(sha256_file(folder / "long"), sha256(std::string(3 << 20, 'x')));
}

TEST(Sha256, NamesTheFileThatCannotBeRead) {
  test::TemporaryFolder const folder;
  EXPECT_THAT([&] { sha256_file(folder / "absent.json"); }, testing::ThrowsMessage<UserError>(testing::HasSubstr("absent.json")));
  EXPECT_THROW(sha256_file(folder.path()), UserError);
}

TEST(Hasher, TakesBytesInAnyPieces) {
  Hasher hasher;
  for (int i = 0; i < 1000; ++i) hasher.bytes(std::string(1000, 'a').data(), 1000);
  EXPECT_EQ(hasher.hex(), million);
}

TEST(Hasher, PrecedesATextByItsLength) {
  EXPECT_EQ(Hasher().text("abc").hex(), sha256("\x03\0\0\0\0\0\0\0abc"s));
  EXPECT_NE(Hasher().text("ab").text("c").hex(), Hasher().text("a").text("bc").hex());
  EXPECT_NE(Hasher().text("").hex(), Hasher().hex());
}

TEST(Hasher, WritesNumbersLittleEndian) {
  EXPECT_EQ(Hasher().integer(258).hex(), sha256("\x02\x01\0\0\0\0\0\0"s));
  EXPECT_EQ(Hasher().integer(-1).hex(), sha256(std::string(8, '\xff')));
  EXPECT_EQ(Hasher().number(1.0).hex(), sha256("\0\0\0\0\0\0\xf0\x3f"s));
}

TEST(Hasher, TellsNeighbouringNumbersApart) {
  EXPECT_NE(Hasher().number(0.1).hex(), Hasher().number(std::nextafter(0.1, 1.0)).hex());
}

}  // namespace
}  // namespace onemask
