#pragma once

#include <onemask/pretrain/run.hpp>

#include <filesystem>

namespace onemask {

/// Reads what to_json wrote. Throws UserError naming the file when it is anything else.
PretrainReport read_report(std::filesystem::path const& file);

}  // namespace onemask
