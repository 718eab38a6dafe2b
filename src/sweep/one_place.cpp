#include "sweep/one_place.hpp"

#include <onemask/comm/agree.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/posix_file.hpp>

#include <exception>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

/// Whether the file is there; on a network file system it may take some seconds.
bool appears(std::filesystem::path const& file, std::chrono::milliseconds patience) {
  auto const end = std::chrono::steady_clock::now() + patience;
  std::error_code unreadable;
  while (!std::filesystem::exists(file, unreadable)) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return true;
}

/// Writes the marker, unless it need not be possible: all objects may be there already, in a folder that is only read.
bool mark(std::filesystem::path const& folder, std::string const& marker, bool must) {
  try {
    make_folder(folder);
    write_file_atomically(folder / marker, std::string());
    return true;
  } catch (std::exception const&) {
    if (must) throw;
    return false;
  }
}

/// Removes the marker in the end, whatever came of it.
class MarkerRemoval {
 public:
  explicit MarkerRemoval(std::filesystem::path file) : file_(std::move(file)) {}
  MarkerRemoval(MarkerRemoval const&) = delete;
  MarkerRemoval& operator=(MarkerRemoval const&) = delete;
  ~MarkerRemoval() {
    std::error_code gone;
    if (!file_.empty()) std::filesystem::remove(file_, gone);
  }

 private:
  std::filesystem::path file_;
};

}  // namespace

void require_one_place(Communicator const& world, RunOptions const& options, std::chrono::milliseconds patience) {
  auto const stage = std::to_string(static_cast<int>(options.last));
  for (auto const& other : world.all_gather(stage)) {
    if (other != stage)
      throw UserError("The ranks were started with different commands of onemask. Start all with the same one.");
  }
  if (world.size() == 1) return;
  auto const marker = fmt::format(".ranks-{}-{}", ::getpid(), std::chrono::system_clock::now().time_since_epoch().count());
  for (auto const& folder : {options.folder, options.objects_folder()}) {
    std::string name;
    agree(world, [&] {
      if (world.rank() == 0 && mark(folder, marker, folder == options.folder)) name = marker;
    });
    name = world.broadcast(std::move(name), 0);
    if (name.empty()) continue;
    MarkerRemoval const removal(world.rank() == 0 ? folder / name : std::filesystem::path());
    agree(world, [&] {
      if (appears(folder / name, patience)) return;
      throw UserError("The folder '" + folder.string() +
                      "' of this rank is not that of rank 0, which wrote a file into it. Name the same folder on all ranks, on a "
                      "file system that all nodes share.");
    });
  }
}

}  // namespace onemask
