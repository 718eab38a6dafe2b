#pragma once

#include <onemask/store/study_file.hpp>

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace onemask {

/// Of the HDF5 library at work, e.g. "1.10.8".
std::string hdf5_version();

enum class ColumnKind { integer, real, text };

/// What a column of a table that is written block by block will hold.
struct ColumnForm {
  std::string name;
  ColumnKind kind = ColumnKind::integer;
  std::size_t width = 0;  ///< of texts: bytes of the longest; 0: any length, which is stored uncompressed
};

/// Writes a study file piece by piece, to a temporary name beside it that `finish` gives its own: until then, and after any
/// failure, what was there stays. Memory holds a chunk of each open table and no more. The same calls give the same bytes.
///
/// Throws ShapeError when columns differ in length or a matrix in size, UserError for a name or text that HDF5 cannot hold,
/// RunError when the disk fails. HDF5 serves one thread at a time.
class StudyWriter {
 public:
  explicit StudyWriter(std::filesystem::path const& file);
  ~StudyWriter();
  StudyWriter(StudyWriter const&) = delete;
  StudyWriter& operator=(StudyWriter const&) = delete;

  /// Writes all of a table or a matrix; gives its checksum.
  std::string write(std::string const& path, Table const& table);
  std::string write(std::string const& path, ByteMatrix const& matrix);
  /// Closes the file, seals it with its checksum, and renames it when it is on the disk. Nothing may follow.
  void finish(std::map<std::string, std::string> const& attributes);

 private:
  friend class TableStream;
  struct Output;
  std::unique_ptr<Output> output_;
};

/// A table of a StudyWriter's file, written block by block; several may be open at once.
///
/// Example: TableStream rows(writer, "metrics", {{"fact", ColumnKind::integer}, {"kl", ColumnKind::real}});
class TableStream {
 public:
  TableStream(StudyWriter& writer, std::string const& path, std::vector<ColumnForm> const& columns);
  ~TableStream();
  TableStream(TableStream const&) = delete;
  TableStream& operator=(TableStream const&) = delete;

  /// Rows below those before. Throws ShapeError when the block has other columns, or a text is longer than announced.
  void append(Table const& block);
  /// Writes what is left. Gives the checksum of all rows, that of the same table in memory.
  std::string close();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace onemask
