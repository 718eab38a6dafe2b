#include "commands/light_commands.hpp"
#include <onemask/commands/result_options.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/report/analysis.hpp>
#include <onemask/report/curve.hpp>
#include <onemask/report/export.hpp>
#include <onemask/report/matrix.hpp>
#include <onemask/report/plot.hpp>
#include <onemask/report/read.hpp>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>

namespace onemask {
namespace {

/// A report in the format that is asked for, for people or as data.
CommandResult printed(ResultOptions const& options, Document const& document, Table const& table) {
  if (auto const* data = std::get_if<DataFormat>(&options.format))
    return {*data == DataFormat::json ? to_json(table) : to_csv(table)};
  return {laid_out(document, std::get<DocumentFormat>(options.format))};
}

/// Masks by what they are scored on, in place of the tables.
CommandResult matrix(po::variables_map const& values, ResultOptions const& options, std::filesystem::path const& file) {
  if (options.table.by_relation || options.table.per_mask)
    throw UserError("--matrix has a row for every mask and takes neither --by-relation nor --per-mask; leave them out.");
  MatrixRequest request{values["matrix"].as<std::string>(), {}, values["split"].as<std::string>()};
  if (values.contains("columns")) {
    auto const name = values["columns"].as<std::string>();
    request.columns = value_of(matrix_columns_names, name);
    if (!request.columns) throw UserError("--columns is '" + name + "'; choose one of: " + all_names(matrix_columns_names) + ".");
  }
  auto const made = make_matrices(read_results(file), request);
  if (values.contains("plot")) write_file_atomically(values["plot"].as<std::string>(), matrix_picture(made));
  return printed(options, matrix_document(made), matrix_table(made));
}

/// What is restored over the share of zeros.
CommandResult curve(po::variables_map const& values, ResultOptions const& options, std::filesystem::path const& file) {
  if (options.table.by_relation || options.table.per_mask)
    throw UserError("--curve is of whole splits and of means over seeds; leave out --by-relation and --per-mask.");
  auto const study = read_results(file);
  auto const curves = curves_of(study);
  if (values.contains("plot")) write_file_atomically(values["plot"].as<std::string>(), curve_picture(study, curves));
  return printed(options, curve_document(study, curves), curve_table(study, curves));
}

/// What happens inside of the models.
CommandResult analysis(po::variables_map const& values, ResultOptions const& options, std::filesystem::path const& file) {
  if (options.table.by_relation || options.table.per_mask)
    throw UserError("--analysis is of whole splits and of means over seeds; leave out --by-relation and --per-mask.");
  if (values.contains("plot")) throw UserError("--analysis has no plot; leave out --plot, or print its numbers with --csv.");
  auto const study = read_analyses(file);
  auto const made = make_analysis(study);
  return printed(options, analysis_document(study, made), analysis_cells(study, made));
}

CommandResult report(po::variables_map const& values) {
  auto const options = result_options_of(values);
  auto const file = study_file_of(values);
  auto const others = values.count("matrix") + values.count("curve") + values.count("analysis");
  if (others > 1) throw UserError("--matrix, --curve and --analysis are different reports; choose one.");
  if (options.took && others > 0)
    throw UserError("--took adds to the tables; --matrix, --curve and --analysis print none of them. Leave one of them out.");
  if (values.contains("matrix")) return matrix(values, options, file);
  if (values.contains("columns") || !values["split"].as<std::string>().empty())
    throw UserError("--columns and --split belong to --matrix METRIC; add it, or leave them out.");
  if (values.contains("curve")) return curve(values, options, file);
  if (values.contains("analysis")) return analysis(values, options, file);
  auto output = format_results(file, options);
  if (values.contains("plot")) write_file_atomically(values["plot"].as<std::string>(), to_svg(read_results(file)));
  return {std::move(output)};
}

}  // namespace

Command report_command() {
  Command command{"report",
                  "RUN [options]",
                  "",
                  "  onemask report results/study\n"
                  "  onemask report results/study --by-relation --per-mask\n"
                  "  onemask report results/study --plot study.svg\n"
                  "  onemask report results/study --csv > summary.csv\n"
                  "  onemask report results/study --curve --plot curve.svg\n"
                  "  onemask report results/study --analysis\n"
                  "  onemask report results/study --matrix rsr --columns relation --plot heat.svg\n",
                  1,
                  false,
                  no_options(),
                  [](po::variables_map const& values, Environment const&) { return report(values); }};
  add_result_options(*command.options);
  command.options->add_options()  //
      ("plot", po::value<std::string>()->value_name("FILE"),
       "draw RSR with its intervals into an SVG file; with --curve over zeros and KL, with --matrix as a heat map")  //
      ("curve", "print RSR and damage over the share of zeros instead, and the area under RSR")                      //
      ("analysis",
       "print what happens inside of the models instead: contributions, attention to the subject, the logit lens")  //
      ("matrix", po::value<std::string>()->value_name("METRIC"),
       "print a matrix instead: a row for every mask, a column for what it is scored on")  //
      ("columns", po::value<std::string>()->value_name("C"),
       ("of the matrix: " + all_names(matrix_columns_names) + "; chosen by what the masks differ in unless given").c_str())  //
      ("split", po::value<std::string>()->value_name("S")->default_value(""),
       "of the matrix, unless its columns are splits; heldout unless given");
  return command;
}

}  // namespace onemask
