#pragma once

#include <onemask/commands/command.hpp>
#include <onemask/core/names.hpp>
#include <onemask/report/table.hpp>
#include <onemask/store/study_file.hpp>

#include <array>
#include <filesystem>
#include <variant>

namespace onemask {

/// With every number in full precision.
enum class DataFormat { json, csv };
inline constexpr std::array<Named<DataFormat>, 2> data_format_names{{{DataFormat::json, "json"}, {DataFormat::csv, "csv"}}};

/// How results are written: --by-relation, --per-mask, --took, --held-back, --format, and --json and --csv for two of its values.
struct ResultOptions {
  TableOptions table;
  bool took = false;       ///< also what is given that edits took
  bool held_back = false;  ///< also training facts and those held back together; always where figures of them are published
  std::variant<DocumentFormat, DataFormat> format = DocumentFormat::text;
};

void add_result_options(po::options_description& options);
/// Throws UserError when several formats are given, or one that is not known.
ResultOptions result_options_of(po::variables_map const& values);

/// The study.h5 in the operand RUN. Throws UserError where either is missing.
std::filesystem::path study_file_of(po::variables_map const& values);
/// The study.h5 of a run, which is named by its folder or by the file itself. Throws UserError where it is missing.
std::filesystem::path study_file_in(std::filesystem::path const& run);

/// Adds the rows that the options ask for to a study that was read with the columns that they need.
void add_rows(StudyFile& study, ResultOptions const& options);

/// The results of a study in one of the formats.
std::string format_results(std::filesystem::path const& study_file, ResultOptions const& options);

}  // namespace onemask
