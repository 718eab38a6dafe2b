#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/text_file.hpp>

#include <algorithm>
#include <array>
#include <utility>
#include <zlib.h>

namespace onemask {
namespace {

constexpr std::string_view gzip_magic = "\x1f\x8b";
constexpr std::size_t most_unpacked = std::size_t{1} << 32;

constexpr char const* utf16 = "is in UTF-16. Convert it: iconv -f UTF-16 -t UTF-8";

/// What a file is that begins so, and what to do.
constexpr std::array<std::pair<std::string_view, char const*>, 8> others{
    {{gzip_magic, "is packed by gzip. Unpack it with gunzip"},
     {"PK\x03\x04", "is a zip archive. Unpack it with unzip"},
     {"\x28\xb5\x2f\xfd", "is packed by zstd. Unpack it with unzstd"},
     {"\xfd\x37zXZ", "is packed by xz. Unpack it with unxz"},
     {"BZh", "is packed by bzip2. Unpack it with bunzip2"},
     {"PAR1", "is a Parquet file. Convert it to JSON lines"},
     {"\xff\xfe", utf16},
     {"\xfe\xff", utf16}}};

[[noreturn]] void fail(std::filesystem::path const& file, std::string_view what) {
  throw UserError("'" + file.string() + "' " + std::string(what) + ".");
}

/// Everything that a file packed by gzip holds; it may have several members. What else stands behind them is passed over, as
/// gunzip does.
std::string unpacked(std::string const& packed, std::filesystem::path const& file) {
  z_stream stream{};
  if (::inflateInit2(&stream, 15 + 16) != Z_OK) throw RunError("zlib cannot start. Is there no memory left?");
  std::string text, part(1 << 16, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  std::size_t left = packed.size();
  int code = Z_OK;
  while (code == Z_OK) {
    if (stream.avail_in == 0) {
      stream.avail_in = static_cast<uInt>(std::min<std::size_t>(left, 1 << 30));
      left -= stream.avail_in;
    }
    stream.next_out = reinterpret_cast<Bytef*>(part.data());
    stream.avail_out = static_cast<uInt>(part.size());
    code = ::inflate(&stream, Z_NO_FLUSH);
    text.append(part, 0, part.size() - stream.avail_out);
    if (text.size() > most_unpacked) code = Z_BUF_ERROR;
    auto const rest = std::string_view(packed).substr(packed.size() - left - stream.avail_in);
    if (code == Z_STREAM_END && rest.starts_with(gzip_magic)) code = ::inflateReset(&stream);
  }
  ::inflateEnd(&stream);
  if (text.size() > most_unpacked) fail(file, "is packed by gzip, and has more than 4 GB unpacked. Unpack it and split it");
  if (code != Z_STREAM_END) fail(file, "is packed by gzip, and is damaged or cut short. Fetch it again");
  return text;
}

}  // namespace

void refuse_lfs_pointer(std::string_view beginning, std::filesystem::path const& file) {
  if (!beginning.starts_with("version https://git-lfs.github.com/")) return;
  fail(file,
       "is a Git LFS pointer and not the file itself. Run 'git lfs pull' in its folder, or fetch a model with "
       "launch/get_model.sh");
}

void expect_text(std::string_view beginning, std::filesystem::path const& file) {
  refuse_lfs_pointer(beginning, file);
  for (auto const& [magic, what] : others) {
    if (beginning.starts_with(magic)) fail(file, what);
  }
  if (beginning.size() >= 2 && (beginning[0] == '\0') != (beginning[1] == '\0')) fail(file, utf16);
}

std::string read_text(std::filesystem::path const& file) {
  auto text = read_file(file);
  if (text.starts_with(gzip_magic)) text = unpacked(text, file);
  expect_text(text, file);
  if (text.starts_with(byte_order_mark)) text.erase(0, byte_order_mark.size());
  return text;
}

std::string with_plain_line_ends(std::string text) {
  std::size_t end = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool const dropped = text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
    if (!dropped) text[end++] = text[i];
  }
  text.resize(end);
  return text;
}

}  // namespace onemask
