#include <onemask/core/json_line.hpp>
#include <onemask/core/text.hpp>
#include <onemask/doctor/findings.hpp>

#include <algorithm>
#include <cstdio>
#include <sstream>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

constexpr std::size_t kWidth = 128;

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text;
}

/// The words of a text, with a line break and `indent` spaces before a word that would go beyond the width.
std::string hanging(std::string const& text, std::size_t indent) {
  std::string result;
  std::istringstream words(text);
  std::size_t column = indent;
  for (std::string word; words >> word;) {
    bool const first = column == indent;
    if (!first && column + 1 + word.size() > kWidth) {
      result += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (!first) {
      result += ' ';
      ++column;
    }
    result += word;
    column += word.size();
  }
  return result;
}

nlohmann::ordered_json to_json(Finding const& finding) {
  return {{"verdict", word(finding.verdict)}, {"subject", finding.subject}, {"text", finding.text}};
}

/// "1 problem", "2 warnings".
std::string number_of(std::vector<FindingSection> const& sections, Verdict verdict) {
  std::ptrdiff_t count = 0;
  for (auto const& [title, findings] : sections)
    count += std::count_if(findings.begin(), findings.end(), [&](auto const& finding) { return finding.verdict == verdict; });
  return counted(static_cast<std::size_t>(count), word(verdict));
}

Verdict verdict_of(std::string const& text) {
  if (text == "ok") return Verdict::ok;
  return text == "warning" ? Verdict::warning : Verdict::problem;
}

}  // namespace

std::string word(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok:
      return "ok";
    case Verdict::warning:
      return "warning";
    default:
      return "problem";
  }
}

Verdict gravest(std::vector<FindingSection> const& sections) {
  auto result = Verdict::ok;
  for (auto const& section : sections) {
    for (auto const& finding : section.findings) result = std::max(result, finding.verdict);
  }
  return result;
}

std::string list_of(std::vector<std::size_t> const& ranks) {
  std::string text;
  for (std::size_t first = 0; first < ranks.size();) {
    auto last = first;
    while (last + 1 < ranks.size() && ranks[last + 1] == ranks[last] + 1) ++last;
    text += fmt::format("{}{}", text.empty() ? "" : ", ", ranks[first]);
    if (last > first) text += fmt::format("-{}", ranks[last]);
    first = last + 1;
  }
  return text;
}

std::string ranks_text(std::vector<std::size_t> const& ranks) {
  return (ranks.size() == 1 ? "rank " : "ranks ") + list_of(ranks);
}

Findings merge(std::vector<std::optional<Findings>> const& of_ranks) {
  Findings findings;
  std::vector<std::vector<std::size_t>> ranks;
  std::size_t taking_part = 0, finding_some = 0;
  for (std::size_t rank = 0; rank < of_ranks.size(); ++rank) {
    if (!of_ranks[rank]) continue;
    ++taking_part;
    if (!of_ranks[rank]->empty()) ++finding_some;
    for (auto const& finding : *of_ranks[rank]) {
      auto const place = static_cast<std::size_t>(std::find(findings.begin(), findings.end(), finding) - findings.begin());
      if (place == findings.size()) {
        findings.push_back(finding);
        ranks.emplace_back();
      }
      ranks[place].push_back(rank);
    }
  }
  for (std::size_t i = 0; i < findings.size(); ++i) {
    auto const everyone = findings[i].verdict == Verdict::ok ? finding_some : taking_part;
    if (ranks[i].size() < everyone) findings[i].text = ranks_text(ranks[i]) + ": " + findings[i].text;
  }
  return findings;
}

std::string to_bytes(Findings const& findings) {
  auto list = nlohmann::ordered_json::array();
  for (auto const& finding : findings) list.push_back(to_json(finding));
  return json_line(list);
}

Findings findings_from(std::string const& bytes) {
  Findings findings;
  for (auto const& entry : nlohmann::json::parse(bytes))
    findings.push_back({verdict_of(entry.at("verdict")), entry.at("subject"), entry.at("text")});
  return findings;
}

std::string short_time(double seconds) {
  char text[32];
  auto const scale = seconds < 1e-3 ? 1e6 : seconds < 1 ? 1e3 : 1;
  std::snprintf(text, sizeof text, "%.3g %s", seconds * scale, scale == 1e6 ? "µs" : scale == 1e3 ? "ms" : "s");
  return text;
}

std::string format_text(std::vector<FindingSection> const& sections) {
  constexpr std::size_t verdict_width = 9;
  std::size_t subject_width = 0;
  for (auto const& section : sections) {
    for (auto const& finding : section.findings) subject_width = std::max(subject_width, finding.subject.size() + 2);
  }
  std::string text;
  for (auto const& section : sections) {
    text += section.title + "\n";
    for (auto const& finding : section.findings) {
      text += "  " + padded(word(finding.verdict), verdict_width) + padded(finding.subject, subject_width) +
              hanging(finding.text, 2 + verdict_width + subject_width) + "\n";
    }
  }
  return text + number_of(sections, Verdict::problem) + ", " + number_of(sections, Verdict::warning) + "\n";
}

std::string format_json(std::vector<FindingSection> const& sections) {
  nlohmann::ordered_json report{{"verdict", word(gravest(sections))}, {"sections", nlohmann::ordered_json::array()}};
  for (auto const& section : sections) {
    auto list = nlohmann::ordered_json::array();
    for (auto const& finding : section.findings) list.push_back(to_json(finding));
    report["sections"].push_back({{"title", section.title}, {"findings", std::move(list)}});
  }
  return json_line(report) + "\n";
}

}  // namespace onemask
