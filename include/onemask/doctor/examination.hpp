#pragma once

#include <onemask/comm/environment.hpp>
#include <onemask/doctor/findings.hpp>

#include <chrono>
#include <functional>

namespace onemask {

/// What the doctor's checks have in common: the ranks go through them together, whatever fails on one becomes a finding, and what
/// never ends is named and ends the program.
class Examination {
 public:
  /// `patience`: for what a rank does alone; twice as long for what all do together.
  Examination(Environment const& environment, std::chrono::seconds patience) : environment_(environment), patience_(patience) {}

  Environment const& environment() const { return environment_; }
  Communicator world() const { return environment_.world(); }
  bool is_root() const { return world().rank() == 0; }
  /// One rank of every host.
  bool leads_host() const { return environment_.local_rank() == 0; }

  /// The findings that follow belong to a new section. Throws Interrupted on every rank when a signal asked any to stop.
  /// Collective.
  void begin(std::string const& title);

  /// Runs `work` on the ranks that take part, and adds what they found; what it throws is a problem of this subject. Returns
  /// whether no rank threw. Collective; `work` must not wait for other ranks.
  bool each_rank(std::string const& subject, bool takes_part, std::function<Findings()> const& work);
  /// The same for work that all ranks do together, and in which all of them come as far as they must.
  bool together(std::string const& subject, std::function<Findings()> const& work);

  /// Of all sections on rank 0; empty on the others.
  std::vector<FindingSection> const& sections() const { return sections_; }

 private:
  bool run(std::string const& subject, bool takes_part, std::function<Findings()> const& work, std::chrono::seconds patience);

  Environment const& environment_;
  std::chrono::seconds patience_;
  std::string title_ = {};
  std::vector<FindingSection> sections_ = {};
};

}  // namespace onemask
