#pragma once

#include <onemask/commands/command.hpp>
#include <onemask/core/names.hpp>
#include <onemask/report/table.hpp>

#include <array>
#include <filesystem>

namespace onemask {

enum class ResultFormat { text, markdown, latex, json, csv };

inline constexpr std::array<Named<ResultFormat>, 5> result_format_names{{{ResultFormat::text, "text"},
                                                                         {ResultFormat::markdown, "markdown"},
                                                                         {ResultFormat::latex, "latex"},
                                                                         {ResultFormat::json, "json"},
                                                                         {ResultFormat::csv, "csv"}}};

/// How results are written: --by-relation, --per-mask, --format, and --json and --csv for two of its values.
struct ResultOptions {
  TableOptions table;
  ResultFormat format = ResultFormat::text;
};

void add_result_options(po::options_description& options);
/// Throws UserError when several formats are given, or one that is not known.
ResultOptions result_options_of(po::variables_map const& values);

/// The study.h5 in the operand RUN. Throws UserError where either is missing.
std::filesystem::path study_file_of(po::variables_map const& values);

/// The results of a study in one of the formats.
std::string format_results(std::filesystem::path const& study_file, ResultOptions const& options);

}  // namespace onemask
