#pragma once

#include <onemask/store/study_file.hpp>

#include <string>

namespace onemask {

/// Throw UserError, naming what is missing, when the file is not that of a gathered study.
std::string const& need_attribute(StudyFile const& study, std::string const& name);
/// All columns are of one length.
Table const& need_table(StudyFile const& study, std::string const& name);

/// "COMPLETE" or "PARTIAL"; throws UserError for anything else.
std::string const& need_status(StudyFile const& study);

/// "COMPLETE: 14 tasks" or "PARTIAL: 13 of 14 tasks", with a line's end.
std::string status_line(StudyFile const& study);

/// The study's name, and of a partial one how far it is: the title of a picture.
std::string title_of(StudyFile const& study);

/// Where the gather step keeps the wall time of each stage; a study may lack it.
inline constexpr char const* stages_table = "provenance/stages";

/// What add_whole_training adds: rows as of "summary".
inline constexpr char const* whole_training_table = "whole training";

/// Where it keeps what the objects were made by; studies of earlier versions lack it.
inline constexpr char const* objects_table = "provenance/objects";

}  // namespace onemask
