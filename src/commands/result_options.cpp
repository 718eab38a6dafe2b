#include <onemask/commands/result_options.hpp>
#include <onemask/core/error.hpp>
#include <onemask/report/export.hpp>
#include <onemask/report/read.hpp>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>

namespace onemask {

void add_result_options(po::options_description& options) {
  options.add_options()                                         //
      ("by-relation", "also print a table for every relation")  //
      ("per-mask", "also print a line for every study point")   //
      ("json", "print one JSON object instead of tables")       //
      ("csv", "print all rows of the summary as CSV instead of tables");
}

ResultOptions result_options_of(po::variables_map const& values) {
  ResultOptions const options{
      {values.contains("by-relation"), values.contains("per-mask")}, values.contains("json"), values.contains("csv")};
  if (options.json && options.csv) throw UserError("Both --json and --csv were given; choose one.");
  return options;
}

std::filesystem::path study_file_of(po::variables_map const& values) {
  auto file = std::filesystem::path(only_operand(values, "RUN, the folder of a run,")) / "study.h5";
  std::error_code unreadable;
  if (!std::filesystem::exists(file, unreadable))
    throw UserError("There is no file '" + file.string() + "'; 'onemask gather' writes it from the results of a run so far.");
  return file;
}

std::string format_results(std::filesystem::path const& study_file, ResultOptions const& options) {
  auto const study = read_results(study_file);
  if (options.json) return to_json(study);
  if (options.csv) return to_csv(study);
  return format_table(study, options.table);
}

}  // namespace onemask
