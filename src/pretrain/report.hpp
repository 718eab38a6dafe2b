#pragma once

#include <onemask/pretrain/run.hpp>

#include <string>

namespace onemask {

/// Reads what to_json wrote. Throws UserError naming the file it comes from when it is anything else.
PretrainReport read_report(std::string const& text, std::string const& file);

}  // namespace onemask
