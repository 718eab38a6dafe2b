#pragma once

#include <onemask/commands/command.hpp>
#include <onemask/report/table.hpp>

#include <filesystem>

namespace onemask {

/// How results are written: --by-relation, --per-mask, --json, --csv.
struct ResultOptions {
  TableOptions table;
  bool json = false, csv = false;
};

void add_result_options(po::options_description& options);
/// Throws UserError when --json and --csv are both given.
ResultOptions result_options_of(po::variables_map const& values);

/// The study.h5 in the operand RUN. Throws UserError where either is missing.
std::filesystem::path study_file_of(po::variables_map const& values);

/// The results of a study as text, JSON or CSV.
std::string format_results(std::filesystem::path const& study_file, ResultOptions const& options);

}  // namespace onemask
