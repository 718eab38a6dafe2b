#include <onemask/core/error.hpp>
#include <onemask/core/log.hpp>

#include <memory>
#include <string>

#include <fmt/core.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace onemask {
namespace {

struct Log {
  std::shared_ptr<spdlog::sinks::stderr_sink_mt> terminal = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  std::shared_ptr<spdlog::sinks::dist_sink_mt> sinks = std::make_shared<spdlog::sinks::dist_sink_mt>();
  std::shared_ptr<spdlog::sinks::sink> file;
  spdlog::logger logger{"onemask", sinks};
  std::string pattern = "%Y-%m-%d %H:%M:%S %l: %v";

  Log() {
    sinks->add_sink(terminal);
    logger.set_pattern(pattern);
    logger.flush_on(spdlog::level::info);
  }
};

Log& the_log() {
  static Log log;
  return log;
}

}  // namespace

void log_info(std::string const& message) {
  the_log().logger.info(spdlog::string_view_t(message));
}
void log_warning(std::string const& message) {
  the_log().logger.warn(spdlog::string_view_t(message));
}
void log_error(std::string const& message) {
  the_log().logger.error(spdlog::string_view_t(message));
}

void configure_log(int rank, int world) {
  Log& log = the_log();
  if (world > 1) log.pattern = fmt::format("%Y-%m-%d %H:%M:%S rank {} %l: %v", rank);
  log.logger.set_pattern(log.pattern);
  log.terminal->set_level(rank == 0 ? spdlog::level::info : spdlog::level::warn);
}

void open_log_file(std::filesystem::path const& file) {
  Log& log = the_log();
  try {
    auto const sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file.string());
    sink->set_pattern(log.pattern);
    if (log.file) log.sinks->remove_sink(log.file);
    log.sinks->add_sink(sink);
    log.file = sink;
  } catch (spdlog::spdlog_ex const& error) {
    throw RunError("Cannot open the log file '" + file.string() + "': " + error.what() +
                   ". Check the folder and its permissions.");
  }
}

}  // namespace onemask
