#include "commands/light_commands.hpp"
#include <onemask/commands/result_options.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/report/analysis.hpp>
#include <onemask/report/curve.hpp>
#include <onemask/report/export.hpp>
#include <onemask/report/matrix.hpp>
#include <onemask/report/page.hpp>
#include <onemask/report/plot.hpp>
#include <onemask/report/read.hpp>
#include <onemask/report/tracing.hpp>
#include <onemask/store/study_file.hpp>

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

/// Which states bring facts back.
CommandResult tracing(po::variables_map const& values, ResultOptions const& options, std::filesystem::path const& file) {
  if (options.table.by_relation || options.table.per_mask)
    throw UserError("--tracing is of the unedited model and of all traced facts; leave out --by-relation and --per-mask.");
  auto const study = read_results(file);
  if (values.contains("plot")) write_file_atomically(values["plot"].as<std::string>(), tracing_picture(study));
  return printed(options, tracing_document(study), tracing_table(study));
}

/// The page and the figures, beside the tables.
void write_page(po::variables_map const& values, ResultOptions const& options, std::filesystem::path const& file) {
  auto study = read_study_file(file);
  add_rows(study, options);
  if (values.contains("html")) write_file_atomically(values["html"].as<std::string>(), to_html(study, options.table));
  if (values.contains("figures")) write_figures(study, values["figures"].as<std::string>());
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

/// Before anything is computed.
void require_folder(po::variables_map const& values, char const* option) {
  if (!values.contains(option)) return;
  auto const folder = std::filesystem::absolute(values[option].as<std::string>()).parent_path();
  std::error_code unreadable;
  if (!std::filesystem::is_directory(folder, unreadable))
    throw UserError(std::string("--") + option + ": there is no folder '" + folder.string() + "'. Make it first.");
}

CommandResult report(po::variables_map const& values) {
  auto const options = result_options_of(values);
  for (auto const* option : {"html", "plot"}) require_folder(values, option);
  auto const file = study_file_of(values);
  std::vector<std::string> others;  // reports in place of the tables
  for (auto const* name : {"matrix", "curve", "tracing", "analysis"}) {
    if (values.contains(name)) others.push_back(std::string("--") + name);
  }
  if (others.size() > 1) throw UserError(others[0] + " and " + others[1] + " are two reports; choose one.");
  for (auto const* name : {"took", "held-back"}) {
    if (values.contains(name) && !others.empty())
      throw UserError(std::string("--") + name + " adds to the tables; " + others[0] +
                      " prints none of them. Leave one of them out.");
  }
  bool const with_page = values.contains("html") || values.contains("figures");
  if (with_page && !others.empty())
    throw UserError("--html and --figures show all reports at once; leave " + others[0] + " out.");
  if (values.contains("matrix")) return matrix(values, options, file);
  if (values.contains("columns") || !values["split"].as<std::string>().empty())
    throw UserError("--columns and --split belong to --matrix METRIC; add it, or leave them out.");
  if (values.contains("curve")) return curve(values, options, file);
  if (values.contains("tracing")) return tracing(values, options, file);
  if (values.contains("analysis")) return analysis(values, options, file);
  if (with_page) write_page(values, options, file);
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
                  "  onemask report results/study --html study.html --figures figures\n"
                  "  onemask report results/study --csv > summary.csv\n"
                  "  onemask report results/study --curve --plot curve.svg\n"
                  "  onemask report results/study --tracing --plot tracing.svg\n"
                  "  onemask report results/study --analysis\n"
                  "  onemask report results/study --matrix rsr --columns relation --plot heat.svg\n",
                  1,
                  false,
                  no_options(),
                  [](po::variables_map const& values, Environment const&) { return report(values); }};
  add_result_options(*command.options);
  command.options->add_options()  //
      ("plot", po::value<std::string>()->value_name("FILE"),
       "draw RSR with its intervals into an SVG file; with --curve over zeros and KL, with --matrix and --tracing as heat "
       "maps")  //
      ("html", po::value<std::string>()->value_name("FILE"),
       "also write everything as one page: tables, figures, a page for every fact")  //
      ("figures", po::value<std::string>()->value_name("DIR"),
       "also write every figure as SVG and PDF, with its data as CSV")                                                          //
      ("curve", "print RSR and damage over the share of zeros instead, and the area under RSR")                                 //
      ("tracing", "print what causal tracing found instead: effects of restored states over layers and places in the prompt")   //
      ("analysis", "print what happens inside of the models instead: contributions, attention to the subject, the logit lens")  //
      ("matrix", po::value<std::string>()->value_name("METRIC"),
       "print a matrix instead: a row for every mask, a column for what it is scored on")  //
      ("columns", po::value<std::string>()->value_name("C"),
       ("of the matrix: " + all_names(matrix_columns_names) + "; chosen by what the masks differ in unless given").c_str())  //
      ("split", po::value<std::string>()->value_name("S")->default_value(""),
       "of the matrix, unless its columns are splits; heldout unless given");
  return command;
}

}  // namespace onemask
