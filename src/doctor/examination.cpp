#include <onemask/core/deadline.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/interrupt.hpp>
#include <onemask/core/log.hpp>
#include <onemask/dispatch/ending.hpp>
#include <onemask/doctor/examination.hpp>

#include <fmt/core.h>

namespace onemask {

void Examination::begin(std::string const& title) {
  if (world().all_reduce_max(interrupted() ? 1 : 0) != 0) throw Interrupted("A signal stopped the checks.");
  title_ = title;
  if (is_root()) sections_.push_back({title, {}});
}

bool Examination::each_rank(std::string const& subject, bool takes_part, std::function<Findings()> const& work) {
  return run(subject, takes_part, work, patience_);
}

bool Examination::together(std::string const& subject, std::function<Findings()> const& work) {
  return run(subject, true, work, 2 * patience_);
}

bool Examination::run(std::string const& subject, bool takes_part, std::function<Findings()> const& work,
                      std::chrono::seconds patience) {
  Findings findings;
  auto const stuck = [&] {
    log_error(fmt::format(
        "The check '{}, {}' did not end within {} s on host {}; what it checks hangs. Repair that, or leave this host out.",
        title_, subject, patience.count(), host_name()));
    environment_.abort_world(1);
  };
  bool failed = false;
  if (takes_part) {
    Deadline const deadline(patience, stuck);
    auto const ending = ending_of([&] {
      findings = work();
      return 0;
    });
    failed = !ending.sentence.empty();
    if (failed) findings.push_back({Verdict::problem, subject, ending.sentence});
  }
  auto const all = world().gather(takes_part ? to_bytes(findings) : "", 0);
  if (is_root()) {
    std::vector<std::optional<Findings>> of_ranks;
    for (auto const& bytes : all) of_ranks.push_back(bytes.empty() ? std::nullopt : std::optional(findings_from(bytes)));
    for (auto& finding : merge(of_ranks)) sections_.back().findings.push_back(std::move(finding));
  }
  return world().all_reduce_max(failed ? 1 : 0) == 0;
}

}  // namespace onemask
