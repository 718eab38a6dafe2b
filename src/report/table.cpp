#include "report/report_parts.hpp"
#include "report/study_parts.hpp"
#include <onemask/core/text.hpp>
#include <onemask/report/table.hpp>
#include <onemask/report/text_table.hpp>

namespace onemask {

Document make_document(StudyFile const& study, TableOptions const& options) {
  Document document{status_line(study), {}};
  auto& blocks = document.blocks;
  auto const add = [&](auto const& more) { blocks.insert(blocks.end(), more.begin(), more.end()); };
  auto const say = [&](std::string const& lines) {
    if (!lines.empty()) blocks.push_back({"", {}, lines});
  };
  auto const parts = report_parts(study, options);
  if (parts.splits.empty() && parts.findings.empty()) say("Nothing is scored yet.\n");
  add(parts.splits);
  add(parts.injection);
  add(parts.perplexity);
  add(parts.published);
  for (auto const& finding : parts.findings) say(wrapped(finding, line_width));
  say(join(parts.few_facts, "", [](auto const& warning) { return wrapped(warning, line_width); }));
  if (!parts.mixture.empty()) say(wrapped(parts.mixture, line_width));
  say(parts.definitions);
  add(parts.stages);
  return document;
}

std::string format_table(StudyFile const& study, TableOptions const& options) {
  return to_text(make_document(study, options));
}

}  // namespace onemask
