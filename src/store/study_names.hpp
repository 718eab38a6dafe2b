#pragma once

#include <onemask/store/study_file.hpp>

#include <map>
#include <set>
#include <string>
#include <string_view>

namespace onemask {

inline constexpr char kSeparator = '/';

/// Throws UserError when a text holds a zero byte; `where` begins the sentence.
void expect_text(std::string_view text, std::string const& where);
/// Throws UserError for an attribute that HDF5 cannot hold.
void expect_attributes(std::map<std::string, std::string> const& attributes, std::string const& owner);

/// The names that are taken in a study file. Throws UserError for one that HDF5 cannot hold, that is given twice, or that would
/// put something into a dataset.
class StudyNames {
 public:
  /// A table, which holds its columns.
  void claim_table(std::string const& path);
  void claim_column(std::string const& table, std::string const& name);
  void claim_matrix(std::string const& path);

 private:
  void claim(std::string const& path, bool is_dataset);

  std::map<std::string, bool> taken_;  // whether it is a dataset
};

/// Throws ShapeError when a matrix has not as many values as its shape says.
void expect_shape(std::string const& path, ByteMatrix const& matrix);

}  // namespace onemask
