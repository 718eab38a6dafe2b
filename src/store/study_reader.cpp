#include "hdf5_handle.hpp"
#include "study_format.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/posix_file.hpp>
#include <onemask/core/text_file.hpp>
#include <onemask/store/study_file.hpp>

#include <algorithm>
#include <cstring>

#include <fmt/core.h>

namespace onemask {

namespace {

constexpr int kDeepest = 16;                 // groups in groups
constexpr std::size_t kDeflateRatio = 1100;  // deflate cannot shrink further, so a larger dataset is a damaged header
constexpr std::size_t kPiece = 1 << 20;      // bytes of the file hashed at a time

herr_t append_name(hid_t, char const* name, H5A_info_t const*, void* names) {
  static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

class StudyReader {
 public:
  /// `tables`: only these, these columns and the matrices of these groups; null: everything.
  StudyReader(std::filesystem::path const& file, std::set<std::string> const* tables)
      : name_(file.string()), tables_(tables), size_(sealed_size(file)), text_(text_type()), file_(open()) {}

  StudyFile read() {
    study_.attributes = read_attributes(file_, "file");
    Hdf5Handle const root(H5Gopen2(file_, "/", H5P_DEFAULT), H5Gclose);
    read_group(root, "", 0);
    return std::move(study_);
  }

 private:
  [[noreturn]] void fail(std::string const& path, std::string const& why) const {
    throw UserError("'" + path + "' in '" + name_ + "' " + why +
                    ". The file is damaged or was not written by this program; gather the results again.");
  }
  void expect(bool good, std::string const& path, std::string const& why) const {
    if (!good) fail(path, why);
  }

  /// Bytes before the seal, 0 when it is not that of what stands before it.
  static std::size_t sealed_size(std::filesystem::path const& file) {
    PosixFile in(file, PosixFile::Mode::read);
    auto const size = in.size();
    if (size <= kSealSize) return 0;
    auto const content = size - kSealSize;
    Hasher hasher;
    std::vector<char> piece(kPiece);
    for (std::size_t left = content; left > 0;) {
      auto const got = in.read(piece.data(), std::min(left, piece.size()));
      if (got == 0) return 0;
      hasher.bytes(piece.data(), got);
      left -= got;
    }
    std::string seal(kSealSize, '\0');
    seal.resize(in.read(seal.data(), seal.size()));
    return seal == std::string(kSealHead) + hasher.hex() + "\n" ? content : 0;
  }

  Hdf5Handle open() const {
    Hdf5Handle file(size_ > 0 ? H5Fopen(name_.c_str(), H5F_ACC_RDONLY, file_access()) : H5I_INVALID_HID, H5Fclose);
    if (!file.valid()) {
      std::string beginning(64, '\0');
      beginning.resize(PosixFile(name_, PosixFile::Mode::read).read(beginning.data(), beginning.size()));
      refuse_lfs_pointer(beginning, name_);
      throw UserError(
          "'" + name_ +
          "' is not a complete study file: it is damaged, cut off, changed by another program, or something else. Gather the "
          "results again.");
    }
    return file;
  }

  std::map<std::string, std::string> read_attributes(hid_t object, std::string const& path) const {
    std::vector<std::string> names;
    hsize_t position = 0;
    expect(H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, &position, append_name, &names) >= 0, path,
           "has attributes that cannot be read");
    std::map<std::string, std::string> attributes;
    for (auto const& name : names) {
      Hdf5Handle const attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose);
      expect(attribute.valid(), path, "has an attribute '" + name + "' that cannot be read");
      Hdf5Handle const space(H5Aget_space(attribute), H5Sclose);
      Hdf5Handle const type(H5Aget_type(attribute), H5Tclose);
      expect(H5Tequal(type, text_) > 0 && H5Sget_simple_extent_npoints(space) == 1, path,
             "has an attribute '" + name + "' that is not UTF-8 text");
      char* text = nullptr;
      expect(H5Aread(attribute, text_, &text) >= 0, path, "has an attribute '" + name + "' that cannot be read");
      attributes[name] = text != nullptr ? text : "";
      H5Dvlen_reclaim(text_, space, H5P_DEFAULT, &text);
    }
    return attributes;
  }

  void read_group(hid_t group, std::string const& path, int depth) {
    expect(depth < kDeepest, path, "is nested too deeply");
    H5G_info_t info{};
    expect(H5Gget_info(group, &info) >= 0, path, "cannot be read");
    Table table;
    bool const wanted = tables_ == nullptr || tables_->contains(path);
    for (hsize_t i = 0; i < info.nlinks; ++i) {
      auto const name = link_name(group, path, i);
      std::string const inner = path.empty() ? name : path + "/" + name;
      H5L_info_t link{};
      expect(H5Lget_info(group, name.c_str(), &link, H5P_DEFAULT) >= 0 && link.type == H5L_TYPE_HARD, inner,
             "is a link to elsewhere");
      Hdf5Handle const object(H5Oopen(group, name.c_str(), H5P_DEFAULT), H5Oclose);
      expect(object.valid(), inner, "cannot be read");
      switch (H5Iget_type(object)) {
        case H5I_GROUP:
          read_group(object, inner, depth + 1);
          break;
        case H5I_DATASET:
          if (rank(object) == 2) {
            if (wanted) study_.matrices.emplace(inner, read_matrix(object, inner));
          } else if (wanted || tables_->contains(inner)) {
            table.columns.emplace_back(name, read_column(object, inner));
          }
          break;
        default:
          fail(inner, "is neither a group nor a dataset");
      }
    }
    if (!path.empty() && wanted) {
      add_table(group, path, std::move(table));
    } else if (!path.empty() && !table.columns.empty()) {
      study_.tables.emplace(path, std::move(table));  // the seal has held for all of it
    }
    if (path.empty()) expect(table.columns.empty(), "/", "has columns outside of a table");
  }

  /// A group with a checksum is a table.
  void add_table(hid_t group, std::string const& path, Table table) {
    auto const attributes = read_attributes(group, path);
    auto const expected = attributes.find(kChecksumName);
    if (expected == attributes.end() && table.columns.empty()) return;
    expect(expected != attributes.end() && expected->second == checksum(table), path, "does not match its checksum");
    for (auto const& [name, column] : table.columns)
      expect(length(column) == table.rows(), path + "/" + name, "is not as long as its table");
    study_.tables.emplace(path, std::move(table));
  }

  std::string link_name(hid_t group, std::string const& path, hsize_t index) const {
    ssize_t const size = H5Lget_name_by_idx(group, ".", H5_INDEX_CRT_ORDER, H5_ITER_INC, index, nullptr, 0, H5P_DEFAULT);
    expect(size > 0, path, "does not record the order of its parts");
    std::string name(static_cast<std::size_t>(size) + 1, '\0');
    expect(H5Lget_name_by_idx(group, ".", H5_INDEX_CRT_ORDER, H5_ITER_INC, index, name.data(), name.size(), H5P_DEFAULT) == size,
           path, "does not record the order of its parts");
    name.pop_back();
    return name;
  }

  static int rank(hid_t dataset) {
    Hdf5Handle const space(H5Dget_space(dataset), H5Sclose);
    return H5Sget_simple_extent_ndims(space);
  }

  /// Extents of a dataset of `dimensions` dimensions, checked against what the file can hold.
  std::vector<std::size_t> shape(hid_t space, hid_t type, int dimensions, std::string const& path) const {
    expect(H5Sget_simple_extent_ndims(space) == dimensions, path, fmt::format("does not have {} dimensions", dimensions));
    std::vector<hsize_t> extents(static_cast<std::size_t>(dimensions));
    expect(H5Sget_simple_extent_dims(space, extents.data(), nullptr) == dimensions, path, "has no readable shape");
    std::size_t room = size_ * kDeflateRatio / std::max<std::size_t>(H5Tget_size(type), 1);
    for (hsize_t const extent : extents) {
      expect(extent <= room, path, "claims more values than its file can hold");
      if (extent > 0) room /= extent;
    }
    return {extents.begin(), extents.end()};
  }

  template <class T>
  std::vector<T> read_values(hid_t dataset, hid_t type, std::size_t count, std::string const& path) const {
    std::vector<T> values(count);
    if (count > 0) expect(H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0, path, "cannot be read");
    return values;
  }

  Column read_column(hid_t dataset, std::string const& path) const {
    Hdf5Handle const space(H5Dget_space(dataset), H5Sclose);
    Hdf5Handle const type(H5Dget_type(dataset), H5Tclose);
    std::size_t const rows = shape(space, type, 1, path).front();
    if (H5Tequal(type, H5T_STD_I64LE) > 0) return read_values<std::int64_t>(dataset, H5T_NATIVE_INT64, rows, path);
    if (H5Tequal(type, H5T_IEEE_F64LE) > 0) return read_values<double>(dataset, H5T_NATIVE_DOUBLE, rows, path);
    bool const is_text = H5Tget_class(type) == H5T_STRING;
    if (is_text && H5Tequal(type, text_type(std::max<std::size_t>(H5Tget_size(type), 1))) > 0)
      return read_packed(dataset, rows, path);
    expect(H5Tequal(type, text_) > 0, path, "holds values that are neither int64, float64 nor UTF-8 texts");
    auto texts = read_values<char*>(dataset, text_, rows, path);
    std::vector<std::string> values(rows);
    for (std::size_t i = 0; i < rows; ++i) {
      if (texts[i] != nullptr) values[i] = texts[i];
    }
    if (rows > 0) H5Dvlen_reclaim(text_, space, H5P_DEFAULT, texts.data());
    return values;
  }

  /// Texts of one width.
  Column read_packed(hid_t dataset, std::size_t rows, std::string const& path) const {
    Hdf5Handle const type(H5Dget_type(dataset), H5Tclose);
    std::size_t const width = H5Tget_size(type);
    auto const packed = read_values<char>(dataset, type, rows * width, path);
    std::vector<std::string> values(rows);
    for (std::size_t i = 0; i < rows; ++i) {
      auto const* const text = packed.data() + i * width;
      values[i].assign(text, ::strnlen(text, width));
    }
    return values;
  }

  ByteMatrix read_matrix(hid_t dataset, std::string const& path) const {
    Hdf5Handle const space(H5Dget_space(dataset), H5Sclose);
    Hdf5Handle const type(H5Dget_type(dataset), H5Tclose);
    expect(H5Tequal(type, H5T_STD_U8LE) > 0, path, "holds values that are not bytes");
    auto const extents = shape(space, type, 2, path);
    ByteMatrix matrix{extents[0], extents[1], {}, read_attributes(dataset, path)};
    matrix.values = read_values<std::uint8_t>(dataset, H5T_NATIVE_UINT8, matrix.rows * matrix.columns, path);
    return matrix;
  }

  std::string name_;
  std::set<std::string> const* tables_;
  std::size_t size_;  // of the HDF5 content
  Hdf5Handle text_, file_;
  StudyFile study_;
};

}  // namespace

StudyFile read_study_file(std::filesystem::path const& file) {
  QuietHdf5 quiet;
  return StudyReader(file, nullptr).read();
}

StudyFile read_study_file(std::filesystem::path const& file, std::set<std::string> const& tables) {
  QuietHdf5 quiet;
  return StudyReader(file, &tables).read();
}

}  // namespace onemask
