#include "doctor/disk_trial.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/text.hpp>
#include <onemask/doctor/doctor.hpp>
#include <onemask/store/run_folder.hpp>

#include <algorithm>

#include <fmt/core.h>

namespace onemask {
namespace {

namespace fs = std::filesystem;

Findings room_findings(fs::path const& folder) {
  constexpr std::uint64_t little = 2'000'000'000, very_little = 50'000'000;  // [bytes]
  constexpr std::uint64_t few_files = 20'000;                                // an edit is a file
  auto const system = file_system_of(folder);
  Finding type{Verdict::ok, "type", system.type + (system.network ? ", over the network" : "")};
  if (system.in_memory) {
    type.verdict = Verdict::warning;
    type.text += ". Files here use memory and are lost when the machine restarts; choose a folder on a disk.";
  }
  Finding space{
      Verdict::ok, "space",
      format_bytes(static_cast<double>(system.free)) + " of " + format_bytes(static_cast<double>(system.size)) + " free"};
  if (system.files > 0) space.text += fmt::format(", room for {} more files", system.free_files);
  bool const files_end = system.files > 0 && system.free_files < few_files;
  if (system.free < little || files_end) {
    space.verdict = system.free < very_little ? Verdict::problem : Verdict::warning;
    space.text += ". Every edit and mask is a file here. Free some space, or choose another folder.";
  }
  return {type, space};
}

Findings writing_findings(DiskTrial const& trial) {
  constexpr double slow = 0.1;  // [s]
  Finding finding{Verdict::ok, "writing",
                  "create " + short_time(trial.create) + ", sync " + short_time(trial.sync) + ", rename " +
                      short_time(trial.rename) + ", " + format_bytes(trial.rate) + "/s"};
  if (trial.sync > slow) {
    finding.verdict = Verdict::warning;
    finding.text += ". Every finished task waits that long for the disk; choose a faster file system.";
  }
  return {finding};
}

std::string content_of(int rank) {
  return fmt::format("written by rank {}\n", rank);
}

fs::path file_of(fs::path const& folder, int rank) {
  return folder / fmt::format("rank-{}", rank);
}

/// Rank 0 writes and all hosts read it; then the reverse.
void try_sharing(Examination& examination, fs::path const& folder) {
  constexpr std::chrono::seconds patience{10};
  char const* const subject = "all hosts";
  auto const own = examination.world().rank();
  bool const other_host = examination.leads_host() && own != 0;
  auto const leaders = examination.world().all_gather(examination.leads_host() ? "leader" : "");
  auto const hosts = std::count(leaders.begin(), leaders.end(), "leader");
  if (hosts < 2) return;
  bool const there = examination.each_rank(subject, examination.is_root(), [&] {
    write_file_atomically(file_of(folder, 0), content_of(0));
    return Findings{};
  });
  bool const seen = there && examination.each_rank(subject, other_host, [&] {
    await_file(file_of(folder, 0), content_of(0), patience);
    write_file_atomically(file_of(folder, own), content_of(own));
    return Findings{};
  });
  if (!seen) return;
  examination.each_rank(subject, examination.is_root(), [&] {
    double longest = 0;
    for (std::size_t rank = 1; rank < leaders.size(); ++rank) {
      if (leaders[rank].empty()) continue;
      auto const other = static_cast<int>(rank);
      longest = std::max(longest, await_file(file_of(folder, other), content_of(other), patience));
    }
    return Findings{
        {Verdict::ok, subject, fmt::format("{} see each other's files; the last one after {}", hosts, short_time(longest))}};
  });
}

/// Whether a second run would be kept out, on this host and on the others.
void try_locking(Examination& examination, fs::path const& folder) {
  char const* const subject = "locks";
  std::optional<RunLock> lock;
  bool const held = examination.each_rank(subject, examination.is_root(), [&] {
    lock.emplace(folder);
    return Findings{};
  });
  if (!held) return;
  examination.each_rank(subject, examination.leads_host(), [&] {
    try {
      RunLock const second(folder);
    } catch (UserError const&) {
      return Findings{{Verdict::ok, subject, "a second run on the same folder is refused"}};
    }
    return Findings{{Verdict::warning, subject,
                     "The file system has no locks that all hosts see. Make sure that no second run is started on this folder, "
                     "or choose another file system."}};
  });
}

}  // namespace

void examine_folder(Examination& examination, std::string const& title, fs::path const& folder, bool holds_results) {
  examination.begin(title + " " + folder.string());
  std::optional<ScratchFolder> scratch;
  bool const made = examination.each_rank("folder", examination.is_root(), [&] {
    scratch.emplace(folder);
    return room_findings(scratch->path());
  });
  if (!made) return;
  fs::path const place = examination.world().broadcast(scratch ? scratch->path().string() : "", 0);
  try_sharing(examination, place);
  examination.each_rank("writing", examination.leads_host(), [&] {
    auto const own = place / fmt::format("trial-{}", examination.world().rank());
    fs::create_directory(own);
    auto const trial = try_disk(own);
    return examination.is_root() ? writing_findings(trial) : Findings{};
  });
  try_locking(examination, place);
  if (!holds_results) return;
  examination.each_rank("HDF5", examination.is_root(), [&] {
    try_study_file(place);
    return Findings{{Verdict::ok, "HDF5", "a study file reads back as it was written"}};
  });
}

}  // namespace onemask
