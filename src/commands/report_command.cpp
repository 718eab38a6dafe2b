#include "commands/light_commands.hpp"
#include <onemask/commands/result_options.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/report/curve.hpp>
#include <onemask/report/export.hpp>
#include <onemask/report/plot.hpp>
#include <onemask/report/read.hpp>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>

namespace onemask {
namespace {

/// What is restored over the share of zeros.
CommandResult curve(po::variables_map const& values, ResultOptions const& options, std::filesystem::path const& file) {
  if (options.table.by_relation || options.table.per_mask)
    throw UserError("--curve is of whole splits and of means over seeds; leave out --by-relation and --per-mask.");
  auto const study = read_results(file);
  auto const curves = curves_of(study);
  if (values.contains("plot")) write_file_atomically(values["plot"].as<std::string>(), curve_picture(study, curves));
  if (auto const* data = std::get_if<DataFormat>(&options.format)) {
    auto const table = curve_table(study, curves);
    return {*data == DataFormat::json ? to_json(table) : to_csv(table)};
  }
  return {laid_out(curve_document(study, curves), std::get<DocumentFormat>(options.format))};
}

CommandResult report(po::variables_map const& values) {
  auto const options = result_options_of(values);
  auto const file = study_file_of(values);
  if (values.contains("curve")) return curve(values, options, file);
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
                  "  onemask report results/study --curve --plot curve.svg\n"
                  "  onemask report results/study --csv > summary.csv\n",
                  1,
                  false,
                  no_options(),
                  [](po::variables_map const& values, Environment const&) { return report(values); }};
  add_result_options(*command.options);
  command.options->add_options()("curve", "print RSR and damage over the share of zeros instead, and the area under RSR")(
      "plot", po::value<std::string>()->value_name("FILE"),
      "draw RSR with its intervals into an SVG file; with --curve over zeros and KL");
  return command;
}

}  // namespace onemask
