#include "support/complaint.hpp"
#include "support/temporary_folder.hpp"
#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/random.hpp>

#include <cstring>
#include <string>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onemask {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

/// A safetensors file with this header and this data, right or wrong.
std::string file_of(std::string const& header, std::string const& data) {
  std::string bytes(8, '\0');
  std::uint64_t const size = header.size();
  std::memcpy(bytes.data(), &size, 8);
  return bytes + header + data;
}

std::string entry(std::string const& dtype, std::string const& shape, std::string const& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

/// What is said about a header over 8 bytes of data.
std::string complaint(std::string const& header, std::size_t data_size = 8) {
  return test::complaint_of([&] { SafetensorsFile::parse(file_of(header, std::string(data_size, '\1')), "weights"); });
}

std::map<std::string, at::Tensor> some_tensors() {
  return {{"half", at::tensor({1.5, -2.0, 0.25}).to(at::kHalf)},
          {"brain", at::tensor({1.0, -3.0}).to(at::kBFloat16)},
          {"matrix", at::arange(6, at::kFloat).view({2, 3})},
          {"wide", at::tensor({1e300, -1e-300}, at::kDouble)},
          {"flags", at::tensor({1, 0, 1}).to(at::kBool)},
          {"ids", at::tensor({std::int64_t{1} << 40, std::int64_t{-1}}, at::kLong)},
          {"scalar", at::scalar_tensor(7, at::kInt)},
          {"short", at::tensor({-5}).to(at::kShort)},
          {"char", at::tensor({-6}).to(at::kChar)},
          {"byte", at::tensor({250}).to(at::kByte)},
          {"nothing", at::empty({0, 4}, at::kFloat)}};
}

TEST(Safetensors, ReadsAHandMadeFile) {
  // 1.0 is 3f80 in bfloat16, 3c00 in float16; -2.0 is c000 in both.
  std::string const data("\x80\x3f\x00\xc0\x00\x3c\x00\xc0", 8);
  auto const file = SafetensorsFile::parse(file_of(R"({"__metadata__":{"format":"pt"},"b":)" + entry("BF16", "[1,2]", "[0,4]") +
                                                       R"(,"h":)" + entry("F16", "[2]", "[4,8]") + "}   ",
                                                   data),
                                           "weights");
  EXPECT_THAT(file.names(), ElementsAre("b", "h"));
  EXPECT_THAT(file.metadata(), ElementsAre(Pair("format", "pt")));
  EXPECT_TRUE(at::equal(file.tensor("b"), at::tensor({1.0, -2.0}).to(at::kBFloat16).view({1, 2})));
  EXPECT_TRUE(at::equal(file.tensor("h"), at::tensor({1.0, -2.0}).to(at::kHalf)));
}

TEST(Safetensors, WritesWhatItReadsForEveryType) {
  auto const tensors = some_tensors();
  std::map<std::string, std::string> const metadata{{"format", "pt"}, {"made by", "a \"test\"\n"}};
  auto const bytes = write_safetensors(tensors, metadata);
  EXPECT_EQ(bytes, write_safetensors(tensors, metadata));
  auto const file = SafetensorsFile::parse(bytes, "weights");
  EXPECT_EQ(file.metadata(), metadata);
  EXPECT_EQ(file.names().size(), tensors.size());
  for (auto const& [name, tensor] : tensors) {
    auto const read = file.tensor(name);
    EXPECT_EQ(read.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(at::equal(read, tensor)) << name;
  }
}

TEST(Safetensors, KeepsTypesThatNothingIsComputedIn) {
  auto const small = at::tensor({1.5, -448.0}).to(at::ScalarType::Float8_e4m3fn);
  auto const file = SafetensorsFile::parse(write_safetensors({{"small", small}}, {}), "weights");
  EXPECT_EQ(file.tensor("small").scalar_type(), small.scalar_type());
  EXPECT_EQ(file.stored("small").bytes, "\x3c\xfe");
}

TEST(Safetensors, WritesAViewInItsOwnOrder) {
  auto const matrix = at::arange(6, at::kFloat).view({2, 3});
  auto const file = SafetensorsFile::parse(write_safetensors({{"t", matrix.t()}}, {}), "weights");
  EXPECT_TRUE(at::equal(file.tensor("t"), matrix.t()));
  EXPECT_THAT(file.metadata(), IsEmpty());
}

TEST(Safetensors, SavesTheSameBytes) {
  test::TemporaryFolder const folder;
  save_safetensors(folder / "file", some_tensors(), {{"format", "pt"}});
  EXPECT_EQ(read_file(folder / "file"), write_safetensors(some_tensors(), {{"format", "pt"}}));
  save_safetensors(folder / "empty", {}, {});
  EXPECT_EQ(read_file(folder / "empty"), write_safetensors({}, {}));
}

TEST(Safetensors, RefusesToWriteWhatTheFormatCannotHold) {
  EXPECT_THROW(write_safetensors({{"c", at::empty({1}, at::kComplexDouble)}}, {}), UserError);
  EXPECT_THROW(write_safetensors({{"undefined", at::Tensor()}}, {}), UserError);
  EXPECT_THROW(write_safetensors({{"__metadata__", at::empty({1})}}, {}), UserError);
  EXPECT_THROW(write_safetensors({{"\xff", at::empty({1})}}, {}), UserError);
}

TEST(Safetensors, TensorsOutliveTheFileAndShareItsMemory) {
  test::TemporaryFolder const folder;
  write_file_atomically(folder / "w.safetensors", write_safetensors({{"x", at::arange(1000, at::kFloat)}}, {}));
  at::Tensor first, second;
  {
    auto const file = SafetensorsFile::open(folder / "w.safetensors");
    first = file.tensor("x");
    second = file.tensor("x");
  }
  EXPECT_EQ(first.const_data_ptr(), second.const_data_ptr());
  first = at::Tensor();
  EXPECT_TRUE(at::equal(second, at::arange(1000, at::kFloat)));
}

TEST(Safetensors, CopiesMisalignedTensors) {
  std::string data(1, '\1');
  float const value = 2.5F;
  data.append(reinterpret_cast<char const*>(&value), sizeof value);
  auto const header = R"({"a":)" + entry("U8", "[1]", "[0,1]") + R"(,"b":)" + entry("F32", "[1]", "[1,5]") + "}";
  // Whatever the alignment of the whole, one of these four puts the float at an odd place.
  for (int padding = 0; padding < 4; ++padding) {
    auto const file = SafetensorsFile::parse(file_of(header + std::string(padding, ' '), data), "weights");
    auto const b = file.tensor("b");
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b.const_data_ptr()) % alignof(float), 0U);
    EXPECT_EQ(b.item<float>(), 2.5F);
  }
}

TEST(Safetensors, AnyByteButZeroIsTrue) {
  auto const file =
      SafetensorsFile::parse(file_of(R"({"a":)" + entry("BOOL", "[3]", "[0,3]") + "}", std::string("\0\1\2", 3)), "weights");
  EXPECT_EQ(file.tensor("a").sum().item<std::int64_t>(), 2);
}

TEST(Safetensors, MissingTensorsAreNamedWithTheNearest) {
  auto const file = SafetensorsFile::parse(write_safetensors({{"lm_head.weight", at::zeros({1})}}, {}), "weights");
  try {
    file.tensor("lm_head.wieght");
    FAIL();
  } catch (UserError const& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("weights: "), HasSubstr("'lm_head.wieght'"), HasSubstr("Did you mean 'lm_head.weight'?")));
  }
}

TEST(Safetensors, AcceptsTheHeaderThatTheRefusedOnesDifferFrom) {
  EXPECT_EQ(complaint(R"({"a":)" + entry("F32", "[2]", "[0,8]") + "}"), "");
  EXPECT_EQ(complaint(R"({"b":)" + entry("F32", "[1]", "[4,8]") + R"(,"a":)" + entry("F32", "[1]", "[0,4]") + "}"), "");
  EXPECT_EQ(complaint("{}", 0), "");
}

TEST(Safetensors, RefusesHolesOverlapsAndRests) {
  auto const two = [](std::string const& first, std::string const& second) {
    return complaint(R"({"a":)" + entry("U8", "[3]", first) + R"(,"b":)" + entry("U8", "[3]", second) + "}");
  };
  EXPECT_THAT(two("[0,3]", "[4,7]"), AllOf(HasSubstr("weights: tensor 'b'"), HasSubstr("after a gap")));
  EXPECT_THAT(two("[0,3]", "[2,5]"), AllOf(HasSubstr("tensor 'b'"), HasSubstr("inside")));
  EXPECT_THAT(two("[0,3]", "[0,3]"), HasSubstr("inside"));
  EXPECT_THAT(two("[0,3]", "[3,6]"), HasSubstr("take 6 bytes, but the data has 8"));
  EXPECT_THAT(two("[2,5]", "[5,8]"), AllOf(HasSubstr("tensor 'a'"), HasSubstr("after a gap")));
  EXPECT_THAT(complaint("{}"), HasSubstr("take 0 bytes"));
}

TEST(Safetensors, ATypeThatIsNotReadHindersOnlyItsOwnTensor) {
  std::string const data("\x00\x00\x80\x3f\x12\x34", 6);
  auto const file = SafetensorsFile::parse(
      file_of(R"({"a":)" + entry("F32", "[1]", "[0,4]") + R"(,"new":)" + entry("F4", "[4]", "[4,6]") + "}", data), "weights");
  EXPECT_TRUE(file.reads("a"));
  EXPECT_TRUE(at::equal(file.tensor("a"), at::ones({1})));
  EXPECT_TRUE(file.contains("new"));
  EXPECT_FALSE(file.reads("new"));
  EXPECT_EQ(file.stored("new").bytes, "\x12\x34");
  EXPECT_THAT(test::complaint_of([&] { file.tensor("new"); }),
              AllOf(HasSubstr("'new'"), HasSubstr("'F4'"), HasSubstr("convert it")));
}

TEST(Safetensors, RefusesOffsetsAndShapesThatDoNotFit) {
  auto const one = [](std::string const& dtype, std::string const& shape, std::string const& offsets) {
    return complaint(R"({"a":)" + entry(dtype, shape, offsets) + "}");
  };
  EXPECT_THAT(one("F32", "[2]", "[0,9]"), HasSubstr("0 to 9 of the data, which has 8 bytes"));
  EXPECT_THAT(one("F32", "[2]", "[8,0]"), HasSubstr("8 to 0"));
  EXPECT_THAT(one("F32", "[3]", "[0,8]"), HasSubstr("need 12"));
  EXPECT_THAT(one("F32", "[4611686018427387905]", "[0,4]"), HasSubstr("more than can be counted"));
  EXPECT_THAT(one("F32", "[4294967296,4294967296]", "[0,0]"), HasSubstr("more than can be counted"));
  EXPECT_THAT(one("F32", "[0,9223372036854775807,9223372036854775807]", "[0,0]"), HasSubstr("more than can be counted"));
  EXPECT_THAT(one("F32", "[18446744073709551615]", "[0,8]"), HasSubstr("'shape'"));
  EXPECT_THAT(one("F32", "[-2]", "[0,8]"), HasSubstr("'shape'"));
  EXPECT_THAT(one("F32", "[2.0]", "[0,8]"), HasSubstr("'shape'"));
  EXPECT_THAT(one("F32", "2", "[0,8]"), HasSubstr("'shape'"));
  EXPECT_THAT(one("F32", "[2]", "[0,8,8]"), HasSubstr("'data_offsets'"));
  EXPECT_THAT(one("F32", "[2]", "[0,\"8\"]"), HasSubstr("'data_offsets'"));
  EXPECT_THAT(one("F8_E4M3", "[7]", "[0,8]"), HasSubstr("need 7"));
  std::string ones = "[8";
  for (int i = 0; i < 64; ++i) ones += ",1";
  EXPECT_THAT(one("U8", ones + "]", "[0,8]"), HasSubstr("65 dimensions"));
}

TEST(Safetensors, RefusesOddHeaders) {
  EXPECT_THAT(complaint(R"({"a":)" + entry("U8", "[8]", "[0,8]") + R"(,"a":)" + entry("U8", "[8]", "[0,8]") + "}"),
              AllOf(HasSubstr("'a' twice"), HasSubstr("weights: header")));
  EXPECT_THAT(complaint(R"({"a":{"dtype":"U8","dtype":"I8","shape":[8],"data_offsets":[0,8]}})"), HasSubstr("'dtype' twice"));
  EXPECT_THAT(complaint("[]"), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(complaint(R"( {"a":1})"), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(complaint(R"({"a":1})"), HasSubstr("instead of an object"));
  EXPECT_THAT(complaint(R"({"a":{"shape":[8],"data_offsets":[0,8]}})"), HasSubstr("no text 'dtype'"));
  EXPECT_THAT(complaint(R"({"a":)"), HasSubstr("not valid JSON"));
  EXPECT_THAT(complaint("{\"\xff\":1}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(complaint(R"({"__metadata__":[1]})"), HasSubstr("__metadata__"));
  EXPECT_THAT(complaint(R"({"__metadata__":{"x":1}})"), HasSubstr("must be a text"));
  EXPECT_THAT(complaint("{\"a\":" + std::string(100'000, '[')), HasSubstr("nested deeper"));
}

TEST(Safetensors, RefusesLengthsThatDoNotFit) {
  auto const parse = [](std::string bytes) { return SafetensorsFile::parse(std::move(bytes), "weights"); };
  EXPECT_THROW(parse(""), UserError);
  EXPECT_THROW(parse("1234567"), UserError);
  EXPECT_THROW(parse(std::string(8, '\xff') + "{}"), UserError);
  EXPECT_THROW(parse(std::string("\x03\0\0\0\0\0\0\0{}", 10)), UserError);
  EXPECT_THROW(parse(std::string(8, '\0')), UserError);
}

TEST(Safetensors, RefusesWhatIsNoFile) {
  test::TemporaryFolder const folder;
  EXPECT_THROW(SafetensorsFile::open(folder / "absent"), UserError);
  EXPECT_THROW(SafetensorsFile::open(folder.path()), UserError);
  write_file_atomically(folder / "empty", "");
  EXPECT_THROW(SafetensorsFile::open(folder / "empty"), UserError);
}

TEST(Safetensors, DamageGivesAUserErrorOrAConsistentFile) {
  auto const whole = write_safetensors(some_tensors(), {{"format", "pt"}});
  RandomStream random{5};
  int refused = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    auto bytes = whole;
    if (trial % 4 == 0) bytes.resize(random.below(bytes.size()));
    for (std::uint64_t flips = random.below(3) + (trial % 4 != 0); flips > 0 && !bytes.empty(); --flips)
      bytes[random.below(bytes.size())] ^= static_cast<char>(1 + random.below(255));
    try {
      auto const file = SafetensorsFile::parse(bytes, "weights");
      std::size_t size = 0;
      for (auto const& name : file.names()) size += file.tensor(name).clone().nbytes();  // reads every byte
      std::uint64_t header_size = 0;
      std::memcpy(&header_size, bytes.data(), 8);
      EXPECT_EQ(size, bytes.size() - 8 - header_size);
    } catch (UserError const&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 1500);
  EXPECT_LT(refused, 3000);
}

}  // namespace
}  // namespace onemask
