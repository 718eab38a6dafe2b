#include "report/known.hpp"

#include "report/study_parts.hpp"

#include <limits>

#include <fmt/core.h>

namespace onemask {
namespace {

/// A row of the table "known".
struct KnownRow {
  Group group;
  std::string test;
  double margin;
  bool paraphrases;
  std::int64_t candidates, scored, known, taken;
};

std::vector<KnownRow> known_rows(StudyFile const& study) {
  if (!study.tables.contains("known")) return {};
  auto const& table = need_table(study, "known");
  auto const whole = [&](char const* name, std::size_t row) { return table.values<std::int64_t>(name)[row]; };
  auto const text = [&](char const* name, std::size_t row) { return table.values<std::string>(name)[row]; };
  std::vector<KnownRow> rows;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    rows.push_back({{text("split", row), text("relation", row)},
                    text("test", row),
                    table.values<double>("margin")[row],
                    whole("paraphrases", row) != 0,
                    whole("candidates", row),
                    whole("scored", row),
                    whole("known", row),
                    whole("taken", row)});
  }
  return rows;
}

}  // namespace

std::string known_note(StudyFile const& study, Group const& group) {
  for (auto const& row : known_rows(study)) {
    if (row.group != group) continue;
    return fmt::format("; known {} of {} ({}{}{})", row.known, row.scored, row.test,
                       row.margin > 0 ? fmt::format(", margin {}", row.margin) : "", row.paraphrases ? ", with paraphrases" : "");
  }
  return "";
}

std::vector<KnownShare> known_shares(StudyFile const& study) {
  std::vector<KnownShare> shares;
  for (auto const& row : known_rows(study)) {
    auto const share = [&](std::int64_t count) {
      return row.scored > 0 ? static_cast<double>(count) / static_cast<double>(row.scored)
                            : std::numeric_limits<double>::quiet_NaN();
    };
    shares.push_back({row.group, "known", row.paraphrases, share(row.known), row.scored, row.candidates});
    shares.push_back({row.group, "taken", row.paraphrases, share(row.taken), row.scored, row.candidates});
  }
  return shares;
}

}  // namespace onemask
