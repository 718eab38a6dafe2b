#pragma once

#include <onemask/store/study_file.hpp>

#include <string>

namespace onemask {

/// The results of a study as one JSON object: "attributes" of the file; "conditions", "summary" and, where there are such tables,
/// "perplexity", "published", "known" and "stages" as lists of records with the columns as fields; "injections", what is found of
/// edits under masks in the summary's form; and "finding", a list of sentences (see findings). Numbers that are not finite become
/// null. Throws UserError when the study has no such conditions or summary.
std::string to_json(StudyFile const& study);

/// The rows of a table as CSV (RFC 4180, lines end in '\n'), after a line of names. Numbers are written so that reading gives the
/// same bits.
std::string to_csv(Table const& table);

/// The rows of a table as a JSON list of records, with numbers as in to_json of a study.
std::string to_json(Table const& table);

/// Every row of the summary as CSV (RFC 4180, lines end in '\n'), after a line of names; then what is found of edits under
/// masks, in the same form; then, where splits take only facts that the model knows, the shares of the facts scored for that
/// which it knows and which were taken. The first column is the study's status, COMPLETE or PARTIAL. Numbers are written so that
/// reading gives the same bits. Throws UserError when the study has no status or no summary.
std::string to_csv(StudyFile const& study);

}  // namespace onemask
