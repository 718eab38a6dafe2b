#pragma once

#include <onemask/store/study_file.hpp>

#include <string>

namespace onemask {

/// A sentence that names the kinds of machines that a study's objects come from; "" where one kind made them all.
std::string mixture_of_kinds(StudyFile const& study);

}  // namespace onemask
