#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace onemask {

/// Values of one kind. Texts are UTF-8 without zero bytes.
using Column = std::variant<std::vector<std::int64_t>, std::vector<double>, std::vector<std::string>>;

/// Number of values in a column.
std::size_t length(Column const& column);

/// Named columns of equal length, in an order that is kept.
struct Table {
  std::vector<std::pair<std::string, Column>> columns;

  std::size_t rows() const;
  /// The column of this name, or nullptr.
  Column const* find(std::string_view name) const;
  /// The values of a column, e.g. `table.values<double>("efficacy")`. Throws UserError when the column is missing or of another
  /// kind.
  template <class T>
  std::vector<T> const& values(std::string_view name) const;

  bool operator==(Table const&) const = default;
};

/// Bytes of shape [rows, columns], row by row: packed bits, for instance.
struct ByteMatrix {
  std::size_t rows = 0, columns = 0;
  std::vector<std::uint8_t> values;
  std::map<std::string, std::string> attributes;

  bool operator==(ByteMatrix const&) const = default;
};

/// The gathered product of a study, as one HDF5 file. Names may be paths ("edits/scores"). HDF5 serves one thread at a time.
struct StudyFile {
  std::map<std::string, std::string> attributes;
  std::map<std::string, Table> tables;
  std::map<std::string, ByteMatrix> matrices;

  bool operator==(StudyFile const&) const = default;
};

/// Writes the file whole, or leaves what was there (see StudyWriter). A table becomes a group with a 1-D dataset per column, a
/// matrix a 2-D dataset of uint8, attributes UTF-8 strings; large datasets are compressed, and a line with the checksum of it all
/// follows. Equal content gives equal bytes. Throws what StudyWriter throws.
void write_study_file(std::filesystem::path const& file, StudyFile const& study);

/// Reads what `write_study_file` or a StudyWriter wrote. Throws UserError naming file and dataset when it is damaged or something
/// else.
StudyFile read_study_file(std::filesystem::path const& file);
/// The same with only those of the `tables` that there are; others do not reach memory. "metrics/kl" is a column of a table that
/// is not wanted whole, "masks" the group of all matrices below it.
StudyFile read_study_file(std::filesystem::path const& file, std::set<std::string> const& tables);

/// SHA-256 of names and values, in hexadecimal: of every column its name, kind, length and the SHA-256 of its values, so that it
/// can be taken while rows arrive.
std::string checksum(Table const& table);
/// SHA-256 of shape, values and attributes, in hexadecimal.
std::string checksum(ByteMatrix const& matrix);

}  // namespace onemask
