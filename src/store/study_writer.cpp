#include "hdf5_handle.hpp"
#include "study_format.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/store/study_file.hpp>

#include <algorithm>
#include <set>

namespace onemask {

namespace {

constexpr std::size_t kLarge = 64 * 1024;  // bytes from which a dataset is compressed
constexpr hsize_t kChunk = 1024 * 1024;    // values in a chunk, at most
constexpr unsigned kDeflateLevel = 4;
constexpr char kSeparator = '/';

void expect_text(std::string_view text, std::string const& where) {
  if (text.find('\0') != std::string_view::npos)
    throw UserError(where + " contains a zero byte, which a study file cannot hold.");
}

/// Name of a column: one component of a path.
void expect_name(std::string_view name, std::string const& what) {
  expect_text(name, "The name of the " + what);
  if (name.empty() || name == "." || name == ".." || name.find(kSeparator) != std::string_view::npos) {
    throw UserError("'" + std::string(name) + "' cannot name the " + what +
                    " of a study file: a name is not empty and has no '/'.");
  }
}

/// Checks everything before the first byte is written.
class StudyCheck {
 public:
  explicit StudyCheck(StudyFile const& study) {
    check_attributes(study.attributes, "file");
    for (auto const& [path, table] : study.tables) check_table(path, table);
    for (auto const& [path, matrix] : study.matrices) check_matrix(path, matrix);
    // A dataset holds no others.
    for (auto const& dataset : datasets_) {
      for (auto const& path : paths_) {
        if (path.starts_with(dataset + kSeparator))
          throw UserError("'" + dataset + "' of a study file cannot be a dataset and hold '" + path + "'.");
      }
    }
  }

 private:
  void claim(std::string const& path) {
    if (!paths_.insert(path).second) throw UserError("Two things of a study file are named '" + path + "'.");
  }

  void check_path(std::string const& path, std::string const& what) {
    for (std::size_t first = 0; first <= path.size();) {
      std::size_t const end = std::min(path.find(kSeparator, first), path.size());
      expect_name(std::string_view(path).substr(first, end - first), what + " '" + path + "'");
      first = end + 1;
    }
    claim(path);
  }

  void check_attributes(std::map<std::string, std::string> const& attributes, std::string const& owner) {
    for (auto const& [name, value] : attributes) {
      expect_name(name, "attribute '" + name + "' of the " + owner);
      expect_text(value, "The attribute '" + name + "' of the " + owner);
    }
  }

  void check_table(std::string const& path, Table const& table) {
    check_path(path, "table");
    for (auto const& [name, column] : table.columns) {
      expect_name(name, "column '" + name + "' of the table '" + path + "'");
      std::string const dataset = path + kSeparator + name;
      claim(dataset);
      datasets_.push_back(dataset);
      if (length(column) != table.rows()) {
        throw ShapeError("The columns of the table '" + path + "' differ in length: '" + table.columns.front().first + "' has " +
                         std::to_string(table.rows()) + " values, '" + name + "' has " + std::to_string(length(column)) + ".");
      }
      if (auto const* const texts = std::get_if<std::vector<std::string>>(&column)) {
        for (auto const& text : *texts) expect_text(text, "The column '" + dataset + "'");
      }
    }
  }

  void check_matrix(std::string const& path, ByteMatrix const& matrix) {
    check_path(path, "matrix");
    datasets_.push_back(path);
    check_attributes(matrix.attributes, "matrix '" + path + "'");
    bool const fits = matrix.columns == 0
                          ? matrix.values.empty()
                          : matrix.values.size() % matrix.columns == 0 && matrix.values.size() / matrix.columns == matrix.rows;
    if (!fits) {
      throw ShapeError("The matrix '" + path + "' of shape [" + std::to_string(matrix.rows) + ", " +
                       std::to_string(matrix.columns) + "] has " + std::to_string(matrix.values.size()) + " values.");
    }
  }

  std::set<std::string> paths_;
  std::vector<std::string> datasets_;
};

/// The file in memory, being written.
class StudyWriter {
 public:
  StudyWriter()
      : access_(H5Pcreate(H5P_FILE_ACCESS), H5Pclose),
        group_(H5Pcreate(H5P_GROUP_CREATE), H5Pclose),
        link_(H5Pcreate(H5P_LINK_CREATE), H5Pclose),
        text_(text_type()),
        file_(create()) {
    expect(H5Pset_link_creation_order(group_, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED), "group");
    expect(H5Pset_obj_track_times(group_, false), "group");
    expect(H5Pset_char_encoding(link_, H5T_CSET_UTF8), "name");
  }

  void write(StudyFile const& study) {
    write_attributes(file_, study.attributes);
    for (auto const& [path, table] : study.tables) write_table(path, table);
    for (auto const& [path, matrix] : study.matrices) write_matrix(path, matrix);
  }

  /// The whole file.
  std::string image() {
    expect(H5Fflush(file_, H5F_SCOPE_GLOBAL), "file");
    ssize_t const size = H5Fget_file_image(file_, nullptr, 0);
    expect(size < 0 ? -1 : 0, "file");
    std::string bytes(static_cast<std::size_t>(size), '\0');
    expect(H5Fget_file_image(file_, bytes.data(), bytes.size()) == size ? 0 : -1, "file");
    return bytes;
  }

 private:
  static void expect(herr_t status, std::string const& what) {
    if (status < 0) throw RunError("HDF5 failed to write the " + what + " of a study file, for want of memory perhaps.");
  }
  static Hdf5Handle expect(Hdf5Handle handle, std::string const& what) {
    expect(handle.valid() ? 0 : -1, what);
    return handle;
  }

  Hdf5Handle create() {
    Hdf5Handle const creation(H5Pcreate(H5P_FILE_CREATE), H5Pclose);
    expect(H5Pset_link_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED), "root");
    expect(H5Pset_obj_track_times(creation, false), "root");
    expect(H5Pset_libver_bounds(access_, H5F_LIBVER_EARLIEST, H5F_LIBVER_V18), "version");
    expect(H5Pset_fapl_core(access_, 1024 * 1024, false), "memory");
    return expect(Hdf5Handle(H5Fcreate(kMemoryName, H5F_ACC_TRUNC, creation, access_), H5Fclose), "file");
  }

  /// The group at `path`, made where it is missing.
  Hdf5Handle group(std::string const& path) {
    for (std::size_t end = 0; end != std::string::npos;) {
      end = path.find(kSeparator, end + 1);
      std::string const part = path.substr(0, end);
      if (H5Lexists(file_, part.c_str(), H5P_DEFAULT) > 0) continue;
      expect(Hdf5Handle(H5Gcreate2(file_, part.c_str(), link_, group_, H5P_DEFAULT), H5Gclose), "group '" + part + "'");
    }
    return expect(Hdf5Handle(H5Gopen2(file_, path.c_str(), H5P_DEFAULT), H5Gclose), "group '" + path + "'");
  }

  void write_attribute(hid_t object, std::string const& name, std::string const& value) {
    Hdf5Handle const space(H5Screate(H5S_SCALAR), H5Sclose);
    Hdf5Handle const creation(H5Pcreate(H5P_ATTRIBUTE_CREATE), H5Pclose);
    expect(H5Pset_char_encoding(creation, H5T_CSET_UTF8), "attribute '" + name + "'");
    auto const attribute = expect(Hdf5Handle(H5Acreate2(object, name.c_str(), text_, space, creation, H5P_DEFAULT), H5Aclose),
                                  "attribute '" + name + "'");
    char const* const text = value.c_str();
    expect(H5Awrite(attribute, text_, &text), "attribute '" + name + "'");
  }

  void write_attributes(hid_t object, std::map<std::string, std::string> const& attributes) {
    for (auto const& [name, value] : attributes) write_attribute(object, name, value);
  }

  /// A dataset of `shape` below `place`, filled from memory that holds values of the same type.
  Hdf5Handle write_dataset(hid_t place, std::string const& name, hid_t type, std::vector<hsize_t> const& shape,
                           void const* values) {
    Hdf5Handle const creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    expect(H5Pset_obj_track_times(creation, false), "dataset '" + name + "'");
    hsize_t count = 1;
    for (hsize_t const extent : shape) count *= extent;
    if (count * H5Tget_size(type) >= kLarge) {
      std::vector<hsize_t> chunk(shape.size());
      hsize_t room = kChunk;
      for (std::size_t i = shape.size(); i-- > 0;) {
        chunk[i] = std::clamp<hsize_t>(room, 1, shape[i]);
        room /= chunk[i];
      }
      expect(H5Pset_chunk(creation, static_cast<int>(chunk.size()), chunk.data()), "dataset '" + name + "'");
      expect(H5Pset_shuffle(creation), "dataset '" + name + "'");
      expect(H5Pset_deflate(creation, kDeflateLevel), "dataset '" + name + "'");
    }
    Hdf5Handle const space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), H5Sclose);
    auto dataset = expect(Hdf5Handle(H5Dcreate2(place, name.c_str(), type, space, link_, creation, H5P_DEFAULT), H5Dclose),
                          "dataset '" + name + "'");
    if (count > 0) expect(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), "dataset '" + name + "'");
    return dataset;
  }

  void write_column(hid_t place, std::string const& name, std::vector<std::int64_t> const& values) {
    write_dataset(place, name, H5T_STD_I64LE, {values.size()}, values.data());
  }
  void write_column(hid_t place, std::string const& name, std::vector<double> const& values) {
    write_dataset(place, name, H5T_IEEE_F64LE, {values.size()}, values.data());
  }
  void write_column(hid_t place, std::string const& name, std::vector<std::string> const& values) {
    std::vector<char const*> texts(values.size());
    std::transform(values.begin(), values.end(), texts.begin(), [](auto const& value) { return value.c_str(); });
    write_dataset(place, name, text_, {values.size()}, texts.data());
  }

  void write_table(std::string const& path, Table const& table) {
    auto const place = group(path);
    write_attribute(place, kChecksumName, checksum(table));
    for (auto const& [name, column] : table.columns) {
      std::visit([&, &column_name = name](auto const& values) { write_column(place, column_name, values); }, column);
    }
  }

  void write_matrix(std::string const& path, ByteMatrix const& matrix) {
    std::size_t const end = path.rfind(kSeparator);
    auto const place = end == std::string::npos ? group("/") : group(path.substr(0, end));
    std::string const name = end == std::string::npos ? path : path.substr(end + 1);
    auto const dataset = write_dataset(place, name, H5T_STD_U8LE, {matrix.rows, matrix.columns}, matrix.values.data());
    write_attributes(dataset, matrix.attributes);
  }

  Hdf5Handle access_, group_, link_, text_, file_;
};

}  // namespace

void write_study_file(std::filesystem::path const& file, StudyFile const& study) {
  StudyCheck{study};
  QuietHdf5 const quiet;
  StudyWriter writer;
  writer.write(study);
  std::string const content = writer.image();
  write_file_atomically(file, content + seal_of(content));
}

}  // namespace onemask
