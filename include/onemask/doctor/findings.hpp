#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace onemask {

enum class Verdict { ok, warning, problem };

/// A line of the doctor's report.
struct Finding {
  Verdict verdict = Verdict::ok;
  std::string subject;  ///< what was looked at, a word or two
  std::string text;     ///< what was found; a warning or a problem also says what to do

  bool operator==(Finding const&) const = default;
};

using Findings = std::vector<Finding>;

struct FindingSection {
  std::string title;
  Findings findings;
};

/// "ok", "warning" or "problem".
std::string word(Verdict verdict);
/// The gravest of them.
Verdict gravest(std::vector<FindingSection> const& sections);

/// "0-3, 7" for ascending ranks.
std::string list_of(std::vector<std::size_t> const& ranks);
/// "rank 3" or "ranks 0-3, 7".
std::string ranks_text(std::vector<std::size_t> const& ranks);

/// What the ranks found, in the order of first mention: equal findings once. Nothing from ranks that took no part. "rank 3: "
/// stands before the text where not all that took part share it; where all is well, those that found nothing do not count.
Findings merge(std::vector<std::optional<Findings>> const& of_ranks);

/// Findings as bytes, to be sent to another rank, and back.
std::string to_bytes(Findings const& findings);
Findings findings_from(std::string const& bytes);

/// "3.1 µs", "0.42 ms", "1.2 s".
std::string short_time(double seconds);

/// Aligned lines, the last with the number of problems and warnings; long ones continue under their beginning.
std::string format_text(std::vector<FindingSection> const& sections);
/// A JSON object: verdict, sections with title and findings of verdict, subject and text.
std::string format_json(std::vector<FindingSection> const& sections);

}  // namespace onemask
