#include "moments/npz.hpp"

#include <onemask/core/error.hpp>
#include <onemask/core/text.hpp>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>
#include <zip.h>

#include <ATen/ATen.h>
#include <fmt/core.h>

namespace onemask {
namespace {

constexpr std::string_view suffix = ".npy", magic = "\x93NUMPY";
constexpr std::size_t longest_header = 4096;

/// What an array's header says.
struct Header {
  at::ScalarType dtype;
  bool fortran_order;
  std::vector<std::int64_t> shape;
};

/// A member of the archive, read from its beginning.
class Member {
 public:
  Member(zip_t* archive, std::string const& name, std::string where) : where_(std::move(where)) {
    zip_stat_t status;
    zip_stat_init(&status);
    if (zip_stat(archive, (name + std::string(suffix)).c_str(), 0, &status) != 0 || (status.valid & ZIP_STAT_SIZE) == 0) {
      throw UserError(where_ + " is not in the archive.");
    }
    size_ = status.size;
    file_ = zip_fopen_index(archive, status.index, 0);
    if (file_ == nullptr) throw UserError(where_ + " cannot be read (" + zip_strerror(archive) + "). Fetch the file again.");
  }
  ~Member() { zip_fclose(file_); }
  Member(Member const&) = delete;
  Member& operator=(Member const&) = delete;

  std::uint64_t left() const { return size_ - read_; }

  void read(void* data, std::size_t size) {
    auto* place = static_cast<char*>(data);
    while (size > 0) {
      auto const got = zip_fread(file_, place, std::min<std::size_t>(size, 1 << 24));
      if (got <= 0) throw UserError(where_ + " is damaged or cut short. Fetch the file again.");
      place += got;
      size -= static_cast<std::size_t>(got);
      read_ += static_cast<std::uint64_t>(got);
    }
  }
  /// Reads past the last byte, where the archive's checksum is compared.
  void finish() {
    char none = 0;
    if (zip_fread(file_, &none, 1) != 0) throw UserError(where_ + " fails its checksum. Fetch the file again.");
  }

 private:
  std::string where_;
  std::uint64_t size_ = 0, read_ = 0;
  zip_file_t* file_ = nullptr;
};

/// What follows "key:" in the header, which is a dictionary as Python prints it.
std::optional<std::string_view> value_of(std::string_view header, std::string_view key) {
  auto const found = header.find(key);
  if (found == header.npos) return std::nullopt;
  header.remove_prefix(found + key.size());
  auto const start = header.find_first_not_of(" :");
  return start == header.npos ? std::nullopt : std::optional(header.substr(start));
}

/// "(1280, 1280)", "()" or "(5,)".
std::optional<std::vector<std::int64_t>> shape_of(std::string_view text) {
  auto const end = text.find(')');
  if (!text.starts_with('(') || end == text.npos) return std::nullopt;
  std::vector<std::int64_t> shape;
  std::int64_t total = 1;
  for (auto const& piece : split_text(text.substr(1, end - 1), ',')) {
    auto const start = piece.find_first_not_of(' ');
    if (start == std::string::npos) continue;
    std::int64_t size = 0;
    auto const [rest, error] = std::from_chars(piece.data() + start, piece.data() + piece.size(), size);
    if (error != std::errc() || rest != piece.data() + piece.size() || size < 0) return std::nullopt;
    if (__builtin_mul_overflow(total, std::max<std::int64_t>(size, 1), &total)) return std::nullopt;
    shape.push_back(size);
  }
  return total <= std::numeric_limits<std::int64_t>::max() / 8 ? std::optional(shape) : std::nullopt;
}

at::ScalarType dtype_of(std::string_view descr, std::string const& where) {
  if (descr.starts_with("'<f4'")) return at::kFloat;
  if (descr.starts_with("'<f8'")) return at::kDouble;
  if (descr.starts_with("'<i8'")) return at::kLong;
  if (descr.starts_with("'|O'")) {
    throw UserError(where + " holds pickled Python objects, which could run any program and are never read. Save plain arrays.");
  }
  throw UserError(where + " is of the type " + std::string(descr.substr(0, descr.find(','))) +
                  "; only little-endian float32, float64 and int64 are read ('<f4', '<f8', '<i8'). Convert it.");
}

Header read_header(Member& member, std::string const& where) {
  auto const damaged = [&](char const* what) -> UserError {
    return UserError(where + " is not a NumPy array: " + what + ". Fetch the file again.");
  };
  unsigned char head[8], length[4] = {};
  if (member.left() < sizeof head + 2) throw damaged("it is too short");
  member.read(head, sizeof head);
  if (std::memcmp(head, magic.data(), magic.size()) != 0) throw damaged("it does not begin with \\x93NUMPY");
  if (head[6] < 1 || head[6] > 3) throw damaged("its format has an unknown version");
  std::size_t const bytes = head[6] == 1 ? 2 : 4;
  if (member.left() < bytes) throw damaged("it is too short");
  member.read(length, bytes);
  std::size_t size = 0;
  for (std::size_t i = 0; i < bytes; ++i) size |= static_cast<std::size_t>(length[i]) << (8 * i);
  if (size > longest_header || size > member.left()) throw damaged("its header is too long");
  std::string text(size, '\0');
  member.read(text.data(), size);
  auto const descr = value_of(text, "'descr'"), order = value_of(text, "'fortran_order'"), shape = value_of(text, "'shape'");
  if (!descr || !order || !shape) throw damaged("its header lacks descr, fortran_order or shape");
  auto const sizes = shape_of(*shape);
  if (!sizes) throw damaged("its header has no valid shape");
  return {dtype_of(*descr, where), order->starts_with("True"), *sizes};
}

}  // namespace

struct NpzFile::Archive {
  zip_t* zip = nullptr;
  ~Archive() {
    if (zip != nullptr) zip_discard(zip);
  }
};

NpzFile::NpzFile(std::filesystem::path file) : file_(std::move(file)), archive_(std::make_unique<Archive>()) {
  int code = 0;
  archive_->zip = zip_open(file_.c_str(), ZIP_RDONLY, &code);
  if (archive_->zip != nullptr) return;
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  std::string const reason = zip_error_strerror(&error);
  zip_error_fini(&error);
  throw UserError("'" + file_.string() + "' cannot be read as a .npz archive (" + reason +
                  "). Check the path, or fetch it again.");
}

NpzFile::~NpzFile() = default;

std::vector<std::string> NpzFile::names() const {
  std::vector<std::string> names;
  auto const entries = zip_get_num_entries(archive_->zip, 0);
  for (zip_int64_t i = 0; i < entries; ++i) {
    auto const* name = zip_get_name(archive_->zip, static_cast<zip_uint64_t>(i), 0);
    std::string_view const text = name != nullptr ? name : "";
    if (text.ends_with(suffix)) names.emplace_back(text.substr(0, text.size() - suffix.size()));
  }
  return names;
}

bool NpzFile::contains(std::string const& name) const {
  return zip_name_locate(archive_->zip, (name + std::string(suffix)).c_str(), 0) >= 0;
}

std::string NpzFile::place_of(std::string const& name) const {
  return "Array '" + name + "' of '" + file_.string() + "'";
}

std::vector<std::int64_t> NpzFile::shape(std::string const& name) const {
  auto const where = place_of(name);
  Member member(archive_->zip, name, where);
  return read_header(member, where).shape;
}

at::Tensor NpzFile::tensor(std::string const& name) const {
  auto const where = place_of(name);
  Member member(archive_->zip, name, where);
  auto header = read_header(member, where);
  std::int64_t numbers = 1;
  for (auto size : header.shape) numbers *= size;  // cannot overflow, see shape_of
  auto const bytes = static_cast<std::uint64_t>(numbers) * c10::elementSize(header.dtype);
  if (bytes != member.left()) {
    throw UserError(fmt::format("{} has {} bytes of numbers, but its shape and type need {}. Fetch the file again.", where,
                                member.left(), bytes));
  }
  if (header.fortran_order) std::reverse(header.shape.begin(), header.shape.end());
  auto tensor = at::empty(header.shape, header.dtype);
  if (bytes > 0) member.read(tensor.mutable_data_ptr(), bytes);
  member.finish();
  if (!header.fortran_order) return tensor;
  std::vector<std::int64_t> axes(header.shape.size());
  for (std::size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<std::int64_t>(axes.size() - 1 - i);
  return tensor.permute(axes).contiguous();
}

}  // namespace onemask
