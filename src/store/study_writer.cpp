#include "column_digest.hpp"
#include "hdf5_handle.hpp"
#include "study_format.hpp"
#include "study_names.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/new_file.hpp>
#include <onemask/store/study_writer.hpp>

#include <algorithm>
#include <cstring>

#include <fmt/core.h>

namespace onemask {

namespace {

constexpr std::size_t kLarge = 64 * 1024;      // bytes from which a dataset is compressed
constexpr std::size_t kChunkRows = 64 * 1024;  // of a column
constexpr hsize_t kChunkBytes = 1024 * 1024;   // of a matrix
constexpr unsigned kDeflateLevel = 1;          // 4 takes 1.6 times as long and saves a twenty-fifth
constexpr std::size_t kPadding = 8;            // texts of one width may take so many times the bytes of the texts themselves

Hdf5Handle properties(hid_t of) {
  return {H5Pcreate(of), H5Pclose};
}

Column empty_column(ColumnKind kind) {
  if (kind == ColumnKind::integer) return std::vector<std::int64_t>();
  if (kind == ColumnKind::real) return std::vector<double>();
  return std::vector<std::string>();
}

/// The width at which texts lie one behind the other, or 0 where a few long ones would make all wide.
std::size_t width_of(std::vector<std::string> const& texts) {
  std::size_t longest = 1, total = 0;
  for (auto const& text : texts) {
    longest = std::max(longest, text.size());
    total += text.size();
  }
  bool const fits = longest <= kLarge && longest * texts.size() <= kLarge + kPadding * total;
  return fits ? longest : 0;
}

ColumnForm form_of(std::string const& name, Column const& column) {
  if (std::holds_alternative<std::vector<std::int64_t>>(column)) return {name, ColumnKind::integer};
  if (std::holds_alternative<std::vector<double>>(column)) return {name, ColumnKind::real};
  return {name, ColumnKind::text, width_of(std::get<std::vector<std::string>>(column))};
}

}  // namespace

std::string hdf5_version() {
  unsigned major = 0, minor = 0, release = 0;
  if (H5get_libversion(&major, &minor, &release) < 0) return "unknown";
  return fmt::format("{}.{}.{}", major, minor, release);
}

struct StudyWriter::Output {
  explicit Output(std::filesystem::path const& target)
      : file(target), group_creation(properties(H5P_GROUP_CREATE)), link_creation(properties(H5P_LINK_CREATE)), hdf5(create()) {
    expect(H5Pset_link_creation_order(group_creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED));
    expect(H5Pset_obj_track_times(group_creation, false));
    expect(H5Pset_char_encoding(link_creation, H5T_CSET_UTF8));
  }

  void expect(herr_t status) const {
    if (status < 0) throw_write_error(file.target(), quiet.reason());
  }
  Hdf5Handle expect(Hdf5Handle handle) const {
    expect(handle.valid() ? 0 : -1);
    return handle;
  }

  Hdf5Handle create() const {
    auto const access = file_access();
    auto const creation = properties(H5P_FILE_CREATE);
    expect(H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_V18));
    expect(H5Pset_fclose_degree(access, H5F_CLOSE_STRONG));
    expect(H5Pset_cache(access, 0, 0, 0, 1));  // chunks are written whole
    expect(H5Pset_link_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED));
    expect(H5Pset_obj_track_times(creation, false));
    return expect(Hdf5Handle(H5Fcreate(file.temporary().c_str(), H5F_ACC_TRUNC, creation, access), H5Fclose));
  }

  /// The group at `path`, made where it is missing.
  Hdf5Handle group(std::string const& path) const {
    for (std::size_t end = 0; end != std::string::npos;) {
      end = path.find(kSeparator, end + 1);
      std::string const part = path.substr(0, end);
      if (H5Lexists(hdf5, part.c_str(), H5P_DEFAULT) > 0) continue;
      expect(Hdf5Handle(H5Gcreate2(hdf5, part.c_str(), link_creation, group_creation, H5P_DEFAULT), H5Gclose));
    }
    return expect(Hdf5Handle(H5Gopen2(hdf5, path.c_str(), H5P_DEFAULT), H5Gclose));
  }

  void write_attributes(hid_t object, std::map<std::string, std::string> const& attributes) const {
    auto const type = text_type();
    Hdf5Handle const space(H5Screate(H5S_SCALAR), H5Sclose);
    auto const creation = properties(H5P_ATTRIBUTE_CREATE);
    expect(H5Pset_char_encoding(creation, H5T_CSET_UTF8));
    for (auto const& [name, value] : attributes) {
      auto const attribute = expect(Hdf5Handle(H5Acreate2(object, name.c_str(), type, space, creation, H5P_DEFAULT), H5Aclose));
      char const* const text = value.c_str();
      expect(H5Awrite(attribute, type, &text));
    }
  }

  /// A dataset; one that has a `chunk` is compressed, and may grow where `grows`.
  Hdf5Handle make_dataset(hid_t place, std::string const& name, hid_t type, std::vector<hsize_t> const& shape,
                          std::vector<hsize_t> const& chunk, bool grows) const {
    auto const creation = properties(H5P_DATASET_CREATE);
    expect(H5Pset_obj_track_times(creation, false));
    if (!chunk.empty()) {
      expect(H5Pset_chunk(creation, static_cast<int>(chunk.size()), chunk.data()));
      expect(H5Pset_shuffle(creation));
      expect(H5Pset_deflate(creation, kDeflateLevel));
    }
    std::vector<hsize_t> const most(shape.size(), H5S_UNLIMITED);
    Hdf5Handle const space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), grows ? most.data() : nullptr),
                           H5Sclose);
    return expect(Hdf5Handle(H5Dcreate2(place, name.c_str(), type, space, link_creation, creation, H5P_DEFAULT), H5Dclose));
  }

  QuietHdf5 quiet;
  NewFile file;
  Hdf5Handle group_creation, link_creation;
  Hdf5Handle hdf5;
  StudyNames names;
};

namespace {

/// A column of an open table: the rows that are not written yet, and where they go.
class ColumnBuffer {
 public:
  explicit ColumnBuffer(ColumnForm form)
      : form_(std::move(form)),
        type_(form_.kind == ColumnKind::integer ? Hdf5Handle(H5Tcopy(H5T_STD_I64LE), H5Tclose)
              : form_.kind == ColumnKind::real  ? Hdf5Handle(H5Tcopy(H5T_IEEE_F64LE), H5Tclose)
              : form_.width == 0                ? text_type()
                                                : text_type(form_.width)) {}

  ColumnForm const& form() const { return form_; }
  hid_t type() const { return type_; }
  std::size_t rows() const { return rows_; }
  std::size_t bytes() const { return rows_ * H5Tget_size(type_); }

  void append(std::string const& table, Column const& values) {
    auto const fail = [&](std::string const& why) {
      throw ShapeError("The column '" + form_.name + "' of the table '" + table + "' " + why);
    };
    if (values.index() != empty_column(form_.kind).index()) fail("holds values of another kind than its table was begun with.");
    rows_ += length(values);
    if (auto const* const texts = std::get_if<std::vector<std::string>>(&values)) {
      for (auto const& text : *texts) {
        expect_text(text, "The column '" + table + kSeparator + form_.name + "'");
        if (form_.width == 0) {
          texts_.push_back(text);
          continue;
        }
        if (text.size() > form_.width) {
          fail(fmt::format("holds a text of {} bytes; it was begun with at most {}.", text.size(), form_.width));
        }
        packed_.append(text).append(form_.width - text.size(), '\0');
      }
    } else if (auto const* const integers = std::get_if<std::vector<std::int64_t>>(&values)) {
      packed_.append(reinterpret_cast<char const*>(integers->data()), integers->size() * sizeof(std::int64_t));
    } else {
      auto const& reals = std::get<std::vector<double>>(values);
      packed_.append(reinterpret_cast<char const*>(reals.data()), reals.size() * sizeof(double));
    }
  }

  /// Writes `count` rows from `first` on, behind the `before` that the dataset holds. False when that fails.
  bool write(hid_t dataset, std::size_t before, std::size_t first, std::size_t count) const {
    hsize_t const start = before, rows = count;
    Hdf5Handle const space(H5Dget_space(dataset), H5Sclose), memory(H5Screate_simple(1, &rows, nullptr), H5Sclose);
    if (H5Sselect_hyperslab(space, H5S_SELECT_SET, &start, nullptr, &rows, nullptr) < 0) return false;
    std::vector<char const*> pointers;
    if (!texts_.empty()) {
      for (std::size_t i = first; i < first + count; ++i) pointers.push_back(texts_[i].c_str());
    }
    void const* values = pointers.data();
    if (texts_.empty()) values = packed_.data() + first * H5Tget_size(type_);
    hid_t const in_memory = form_.kind == ColumnKind::integer ? H5T_NATIVE_INT64
                            : form_.kind == ColumnKind::real  ? H5T_NATIVE_DOUBLE
                                                              : static_cast<hid_t>(type_);
    return H5Dwrite(dataset, in_memory, memory, space, H5P_DEFAULT, values) >= 0;
  }

  /// Forgets the first `count` rows.
  void drop(std::size_t count) {
    if (texts_.empty()) {
      packed_.erase(0, count * H5Tget_size(type_));
    } else {
      texts_.erase(texts_.begin(), texts_.begin() + static_cast<std::ptrdiff_t>(count));
    }
    rows_ -= count;
  }

 private:
  ColumnForm form_;
  Hdf5Handle type_;
  std::size_t rows_ = 0;
  std::string packed_;              // values of fixed size, one behind the other
  std::vector<std::string> texts_;  // the others
};

}  // namespace

struct TableStream::State {
  State(StudyWriter::Output& to, std::string name, std::vector<ColumnForm> const& columns)
      : output(to), path(std::move(name)), digests(columns.size()) {
    for (auto const& form : columns) buffers.emplace_back(form);
    output.names.claim_table(path);
    for (auto const& form : columns) output.names.claim_column(path, form.name);
    for (std::size_t c = 0; c < columns.size(); ++c) digests[c].add(empty_column(columns[c].kind));
  }

  void expect_block(Table const& block) const {
    bool fits = block.columns.size() == buffers.size();
    for (std::size_t c = 0; fits && c < buffers.size(); ++c) fits = block.columns[c].first == buffers[c].form().name;
    if (!fits) throw ShapeError("The rows for the table '" + path + "' have other columns than it was begun with.");
    for (auto const& [name, column] : block.columns) {
      if (length(column) == block.rows()) continue;
      throw ShapeError(fmt::format("The columns of the table '{}' differ in length: '{}' has {} values, '{}' has {}.", path,
                                   block.columns.front().first, block.rows(), name, length(column)));
    }
  }

  std::size_t rows() const { return buffers.empty() ? 0 : buffers.front().rows(); }

  /// Makes the datasets, of all rows there will be or of a number that grows.
  void begin(bool grows) {
    auto const place = output.group(path);
    for (auto const& buffer : buffers) {
      hsize_t const rows = grows ? 0 : buffer.rows();
      bool const plain = !grows && (buffer.bytes() < kLarge || H5Tis_variable_str(buffer.type()) > 0);
      auto const chunk = grows ? kChunkRows : rows;
      datasets.push_back(output.make_dataset(place, buffer.form().name, buffer.type(), {rows},
                                             plain ? std::vector<hsize_t>() : std::vector<hsize_t>{chunk}, grows));
    }
    begun = true;
    growing = grows;
  }

  void write(std::size_t first, std::size_t count) {
    hsize_t const size = written + count;
    for (std::size_t c = 0; c < buffers.size() && count > 0; ++c) {
      if (growing) output.expect(H5Dset_extent(datasets[c], &size));
      output.expect(buffers[c].write(datasets[c], written, first, count) ? 0 : -1);
    }
    written = size;
  }

  StudyWriter::Output& output;
  std::string path;
  std::vector<ColumnBuffer> buffers;
  std::vector<ColumnDigest> digests;
  std::vector<Hdf5Handle> datasets;
  std::size_t written = 0, appended = 0;  // rows
  bool begun = false, growing = false;
};

TableStream::TableStream(StudyWriter& writer, std::string const& path, std::vector<ColumnForm> const& columns)
    : state_(std::make_unique<State>(*writer.output_, path, columns)) {}

TableStream::~TableStream() = default;

void TableStream::append(Table const& block) {
  auto& s = *state_;
  s.expect_block(block);
  for (std::size_t c = 0; c < s.buffers.size(); ++c) {
    s.buffers[c].append(s.path, block.columns[c].second);
    invariant(s.buffers[c].rows() == s.rows(), "the column '", block.columns[c].first, "' of the table '", s.path, "' has ",
              s.buffers[c].rows(), " rows, others ", s.rows());
    s.digests[c].add(block.columns[c].second);
  }
  s.appended += block.rows();
  std::size_t done = 0;
  for (; s.rows() - done > kChunkRows; done += kChunkRows) {
    if (!s.begun) s.begin(true);
    s.write(done, kChunkRows);
  }
  for (auto& buffer : s.buffers) buffer.drop(done);
}

std::string TableStream::close() {
  auto& s = *state_;
  if (!s.begun) s.begin(false);
  s.write(0, s.rows());
  invariant(s.written == s.appended, "of the table '", s.path, "', ", s.written, " rows of ", s.appended, " were written");
  s.datasets.clear();
  std::vector<std::string> names;
  for (auto const& buffer : s.buffers) names.push_back(buffer.form().name);
  auto sum = checksum(names, s.digests);
  s.output.write_attributes(s.output.group(s.path), {{kChecksumName, sum}});
  return sum;
}

StudyWriter::StudyWriter(std::filesystem::path const& file) : output_(std::make_unique<Output>(file)) {}

StudyWriter::~StudyWriter() = default;

std::string StudyWriter::write(std::string const& path, Table const& table) {
  std::vector<ColumnForm> forms;
  for (auto const& [name, column] : table.columns) forms.push_back(form_of(name, column));
  TableStream stream(*this, path, forms);
  stream.append(table);
  return stream.close();
}

std::string StudyWriter::write(std::string const& path, ByteMatrix const& matrix) {
  auto const& output = *output_;
  output_->names.claim_matrix(path);
  expect_attributes(matrix.attributes, "matrix '" + path + "'");
  expect_shape(path, matrix);
  std::size_t const end = path.rfind(kSeparator);
  auto const place = output.group(end == std::string::npos ? "/" : path.substr(0, end));
  std::vector<hsize_t> chunk;
  if (matrix.values.size() >= kLarge) {
    auto const across = std::min<hsize_t>(matrix.columns, kChunkBytes);
    chunk = {std::clamp<hsize_t>(kChunkBytes / across, 1, matrix.rows), across};
  }
  auto const dataset = output.make_dataset(place, path.substr(end == std::string::npos ? 0 : end + 1), H5T_STD_U8LE,
                                           {matrix.rows, matrix.columns}, chunk, false);
  if (!matrix.values.empty())
    output.expect(H5Dwrite(dataset, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, matrix.values.data()));
  output.write_attributes(dataset, matrix.attributes);
  return checksum(matrix);
}

void StudyWriter::finish(std::map<std::string, std::string> const& attributes) {
  auto& output = *output_;
  expect_attributes(attributes, "file");
  output.write_attributes(output.hdf5, attributes);
  output.expect(H5Fflush(output.hdf5, H5F_SCOPE_GLOBAL));
  output.expect(output.hdf5.close());

  output.file.write(std::string(kSealHead) + sha256_file(output.file.temporary()) + "\n");
  output.file.appear();
}

void write_study_file(std::filesystem::path const& file, StudyFile const& study) {
  StudyWriter writer(file);
  for (auto const& [path, table] : study.tables) writer.write(path, table);
  for (auto const& [path, matrix] : study.matrices) writer.write(path, matrix);
  writer.finish(study.attributes);
}

}  // namespace onemask
