#pragma once

#include <filesystem>
#include <string>

namespace onemask {

/// Messages for people. They go to stderr and, once open_log_file was called, to a file; stdout is for results only.
/// (spdlog behind, which no header names.)
void log_info(std::string const& message);
void log_warning(std::string const& message);
void log_error(std::string const& message);

/// Names this process in every following line ("rank 3") and decides whether it speaks on stderr (rank 0 does, warnings of all
/// do).
void configure_log(int rank, int world);

/// Appends all following lines to `file` as well, and no longer to the file before it.
void open_log_file(std::filesystem::path const& file);

}  // namespace onemask
