#include <onemask/core/cores.hpp>
#include <onemask/core/text.hpp>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <fstream>
#include <memory>
#include <sched.h>
#include <vector>

namespace onemask {
namespace {

constexpr int most_cores = 1 << 16;  // sched_getaffinity fails where the kernel's set is larger than the one given

struct FreeCores {
  void operator()(cpu_set_t* set) const { CPU_FREE(set); }
};
using CoreSet = std::unique_ptr<cpu_set_t, FreeCores>;

CoreSet no_cores() {
  CoreSet set(CPU_ALLOC(most_cores));
  if (set) CPU_ZERO_S(CPU_ALLOC_SIZE(most_cores), set.get());
  return set;
}

/// The number that the whole text is, or -1.
int core_number(std::string const& text) {
  int number = -1;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  bool const whole = error == std::errc() && end == text.data() + text.size();
  return whole && number >= 0 && number < most_cores ? number : -1;
}

/// Linux writes the names of its folders in small letters.
std::filesystem::path pci_folder(std::string name, std::filesystem::path const& root) {
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char letter) { return std::tolower(letter); });
  return root / "sys/bus/pci/devices" / name;
}

}  // namespace

std::set<int> read_core_list(std::string const& text) {
  std::set<int> cores;
  for (auto const& piece : split_text(text, ',')) {
    auto const dash = std::min(piece.find('-'), piece.size());
    auto const first = core_number(piece.substr(0, dash));
    auto const last = dash == piece.size() ? first : core_number(piece.substr(dash + 1));
    if (first < 0 || last < first) return {};
    for (int core = first; core <= last; ++core) cores.insert(core);
  }
  return cores;
}

std::string to_core_list(std::set<int> const& cores) {
  std::vector<std::string> pieces;
  for (auto core = cores.begin(); core != cores.end();) {
    auto const first = *core;
    auto last = first;
    while (++core != cores.end() && *core == last + 1) last = *core;
    pieces.push_back(std::to_string(first) + (last == first ? "" : "-" + std::to_string(last)));
  }
  return join(pieces, ",");
}

std::set<int> usable_cores() {
  std::set<int> cores;
  auto const set = no_cores();
  auto const size = CPU_ALLOC_SIZE(most_cores);
  if (!set || sched_getaffinity(0, size, set.get()) != 0) return cores;
  for (int core = 0; core < most_cores; ++core) {
    if (CPU_ISSET_S(static_cast<std::size_t>(core), size, set.get())) cores.insert(core);
  }
  return cores;
}

std::set<int> cores_near(std::string const& bus_id, std::filesystem::path const& root) {
  std::ifstream file(pci_folder(bus_id, root) / "local_cpulist");
  std::string list;
  return std::getline(file, list) ? read_core_list(list) : std::set<int>();
}

int numa_node_of(std::string const& bus_id, std::filesystem::path const& root) {
  std::ifstream file(pci_folder(bus_id, root) / "numa_node");
  int node = -1;
  return file >> node ? node : -1;
}

bool use_only(std::set<int> const& cores) {
  auto const set = no_cores();
  auto const size = CPU_ALLOC_SIZE(most_cores);
  if (!set) return false;
  for (auto const core : cores) CPU_SET_S(static_cast<std::size_t>(core), size, set.get());
  return sched_setaffinity(0, size, set.get()) == 0;
}

}  // namespace onemask
