#pragma once

#include <onemask/report/document.hpp>
#include <onemask/report/table.hpp>

#include <string>
#include <vector>

namespace onemask {

/// What a report says of a study, part by part, for all of its forms. Where nothing is scored yet, only stages and findings have
/// some.
struct ReportParts {
  std::vector<DocumentBlock> splits;  ///< RSR and the quality of edits: a heading begins a split and a way of editing
  std::vector<DocumentBlock> injection, perplexity, published;
  std::vector<std::string> findings;
  std::vector<std::string> few_facts;  ///< warnings of splits with few, in sentences
  std::string mixture;                 ///< of kinds of machines, in a sentence; "" of one kind
  std::string definitions;             ///< of the columns, in lines
  std::vector<DocumentBlock> stages;   ///< wall times
};

/// Throws UserError like make_document.
ReportParts report_parts(StudyFile const& study, TableOptions const& options);

}  // namespace onemask
