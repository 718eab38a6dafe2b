#include "doctor/disk_trial.hpp"

#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/posix_file.hpp>
#include <onemask/store/study_file.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <system_error>
#include <thread>

#include <fmt/core.h>

namespace onemask {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct TypeName {
  char const* name;
  bool network = false, in_memory = false;
};

/// By the number that statfs(2) gives.
std::map<std::uint32_t, TypeName> const& type_names() {
  static std::map<std::uint32_t, TypeName> const names{{0x0000ef53, {"ext4"}},
                                                       {0x58465342, {"xfs"}},
                                                       {0x9123683e, {"btrfs"}},
                                                       {0x2fc12fc1, {"zfs"}},
                                                       {0xf2f52010, {"f2fs"}},
                                                       {0x794c7630, {"overlay"}},
                                                       {0x73717368, {"squashfs"}},
                                                       {0xca451a4e, {"bcachefs"}},
                                                       {0x01021994, {"tmpfs", false, true}},
                                                       {0x858458f6, {"ramfs", false, true}},
                                                       {0x00006969, {"nfs", true}},
                                                       {0x0bd00bd0, {"lustre", true}},
                                                       {0x47504653, {"gpfs", true}},
                                                       {0x00c36400, {"ceph", true}},
                                                       {0x19830326, {"beegfs", true}},
                                                       {0xff534d42, {"cifs", true}},
                                                       {0xfe534d42, {"smb2", true}},
                                                       {0x5346414f, {"afs", true}},
                                                       {0x01021997, {"9p", true}},
                                                       {0x65735546, {"fuse", true}},
                                                       {0xaad7aaea, {"panfs", true}},
                                                       {0x20030528, {"orangefs", true}}};
  return names;
}

std::string hexadecimal(std::uint32_t number) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "0x%08x", number);
  return text.data();
}

double median(std::vector<double> values) {
  auto const middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void expect_content(std::filesystem::path const& file, std::string const& content) {
  if (read_file(file) == content) return;
  throw RunError("The file '" + file.string() +
                 "' does not give back the bytes that were written. Do not use this file system until the cause is found.");
}

/// Creates the file with this content and syncs it; returns the times of both [s].
std::pair<double, double> put(std::filesystem::path const& file, std::string const& content) {
  auto start = Clock::now();
  PosixFile out(file, PosixFile::Mode::create);
  auto const created = seconds_since(start);
  start = Clock::now();
  out.write(content);
  out.sync();
  return {created, seconds_since(start)};
}

}  // namespace

FileSystem file_system_of(std::filesystem::path const& folder) {
  struct statfs kind {};
  struct statvfs room {};
  if (::statfs(folder.c_str(), &kind) != 0 || ::statvfs(folder.c_str(), &room) != 0) {
    throw RunError("The file system of '" + folder.string() + "' does not answer: " + std::strerror(errno) +
                   ". Check the path and its permissions.");
  }
  auto const number = static_cast<std::uint32_t>(kind.f_type);
  auto const found = type_names().find(number);
  FileSystem result;
  result.type = found != type_names().end() ? found->second.name : "of type " + hexadecimal(number);
  result.network = found != type_names().end() && found->second.network;
  result.in_memory = found != type_names().end() && found->second.in_memory;
  result.size = std::uint64_t{room.f_blocks} * room.f_frsize;
  result.free = std::uint64_t{room.f_bavail} * room.f_frsize;
  result.files = room.f_files;
  result.free_files = room.f_favail;
  return result;
}

ScratchFolder::ScratchFolder(std::filesystem::path const& parent) {
  namespace fs = std::filesystem;
  std::error_code unreadable;
  auto const absolute = fs::absolute(parent).lexically_normal();
  auto const missing = [&](fs::path const& folder) {
    return fs::symlink_status(folder, unreadable).type() == fs::file_type::not_found;
  };
  for (auto folder = absolute; missing(folder); folder = folder.parent_path()) {
    if (folder.has_filename()) made_.insert(made_.begin(), folder);
  }
  path_ = temporary_name(absolute / "onemask-doctor");
  try {
    make_folder(path_);
  } catch (RunError const&) {
    for (auto folder = made_.rbegin(); folder != made_.rend(); ++folder) fs::remove(*folder, unreadable);
    throw;
  }
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
  for (auto folder = made_.rbegin(); folder != made_.rend(); ++folder) std::filesystem::remove(*folder, ignored);
}

DiskTrial try_disk(std::filesystem::path const& folder) {
  constexpr int rounds = 5;
  std::string const large(std::size_t{16} << 20, 'o');
  std::vector<double> creates, syncs, renames;
  auto const target = folder / "target";
  for (int round = 0; round < rounds; ++round) {
    auto const file = folder / fmt::format("file-{}", round);
    auto const content = std::string(4096, static_cast<char>('a' + round));
    auto const [created, synced] = put(file, content);
    auto const start = Clock::now();
    rename_file(file, target);
    sync_name(target);
    renames.push_back(seconds_since(start));
    creates.push_back(created);
    syncs.push_back(synced);
    expect_content(target, content);
  }
  auto const file = folder / "large";
  auto const seconds = put(file, large).second;
  expect_content(file, large);
  return {median(creates), median(syncs), median(renames), static_cast<double>(large.size()) / std::max(seconds, 1e-9)};
}

void try_study_file(std::filesystem::path const& folder) {
  constexpr std::size_t rows = 20'000;  // enough to be compressed
  StudyFile study;
  study.attributes["name"] = "trial";
  std::vector<std::int64_t> numbers(rows);
  std::vector<double> values(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    numbers[i] = static_cast<std::int64_t>(i % 97);
    values[i] = 1.0 / static_cast<double>(i % 89 + 1);
  }
  study.tables["trial"] = {
      {{"number", std::move(numbers)}, {"value", std::move(values)}, {"text", std::vector<std::string>(rows, "x")}}};
  auto const file = folder / "study.h5";
  write_study_file(file, study);
  try {
    if (read_study_file(file) == study) return;
  } catch (UserError const& error) {
    throw RunError(std::string("An HDF5 file that was just written cannot be read: ") + error.what());
  }
  throw RunError("The HDF5 file '" + file.string() + "' does not give back what was written into it.");
}

double await_file(std::filesystem::path const& file, std::string const& content, std::chrono::milliseconds patience) {
  auto const start = Clock::now();
  for (;;) {
    try {
      if (read_file(file) == content) return seconds_since(start);
    } catch (UserError const&) {
      // not seen yet
    }
    if (Clock::now() - start > patience) {
      throw RunError(
          fmt::format("The file '{}', which another rank has written, is not seen here after {} s. "
                      "All hosts must share the folder: choose one on a network file system.",
                      file.string(), patience.count() / 1000));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace onemask
