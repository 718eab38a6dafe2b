#include "study_names.hpp"

#include <onemask/core/error.hpp>

#include <algorithm>

#include <fmt/core.h>

namespace onemask {

namespace {

/// One component of a path.
void expect_name(std::string_view name, std::string const& what) {
  expect_text(name, "The name of the " + what);
  if (name.empty() || name == "." || name == ".." || name.find(kSeparator) != std::string_view::npos) {
    throw UserError("'" + std::string(name) + "' cannot name the " + what +
                    " of a study file: a name is not empty and has no '/'.");
  }
}

void expect_path(std::string const& path, std::string const& what) {
  for (std::size_t first = 0; first <= path.size();) {
    std::size_t const end = std::min(path.find(kSeparator, first), path.size());
    expect_name(std::string_view(path).substr(first, end - first), what + " '" + path + "'");
    first = end + 1;
  }
}

}  // namespace

void expect_text(std::string_view text, std::string const& where) {
  if (text.find('\0') != std::string_view::npos)
    throw UserError(where + " contains a zero byte, which a study file cannot hold.");
}

void expect_attributes(std::map<std::string, std::string> const& attributes, std::string const& owner) {
  for (auto const& [name, value] : attributes) {
    expect_name(name, "attribute '" + name + "' of the " + owner);
    expect_text(value, "The attribute '" + name + "' of the " + owner);
  }
}

void StudyNames::claim_table(std::string const& path) {
  expect_path(path, "table");
  claim(path, false);
}

void StudyNames::claim_column(std::string const& table, std::string const& name) {
  expect_name(name, "column '" + name + "' of the table '" + table + "'");
  claim(table + kSeparator + name, true);
}

void StudyNames::claim_matrix(std::string const& path) {
  expect_path(path, "matrix");
  claim(path, true);
}

void StudyNames::claim(std::string const& path, bool is_dataset) {
  auto const refuse = [](std::string const& dataset, std::string const& inner) {
    throw UserError("'" + dataset + "' of a study file cannot be a dataset and hold '" + inner + "'.");
  };
  if (!taken_.emplace(path, is_dataset).second) throw UserError("Two things of a study file are named '" + path + "'.");
  for (auto end = path.find(kSeparator); end != std::string::npos; end = path.find(kSeparator, end + 1)) {
    auto const outer = taken_.find(path.substr(0, end));
    if (outer != taken_.end() && outer->second) refuse(outer->first, path);
  }
  auto const inner = taken_.lower_bound(path + kSeparator);
  if (is_dataset && inner != taken_.end() && inner->first.starts_with(path + kSeparator)) refuse(path, inner->first);
}

void expect_shape(std::string const& path, ByteMatrix const& matrix) {
  bool const fits = matrix.columns == 0
                        ? matrix.values.empty()
                        : matrix.values.size() % matrix.columns == 0 && matrix.values.size() / matrix.columns == matrix.rows;
  if (!fits) {
    throw ShapeError(
        fmt::format("The matrix '{}' of shape [{}, {}] has {} values.", path, matrix.rows, matrix.columns, matrix.values.size()));
  }
}

}  // namespace onemask
