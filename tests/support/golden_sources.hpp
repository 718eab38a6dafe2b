#pragma once

#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

namespace onemask::test {

/// Golden numbers and the checkpoint they were made from.
struct GoldenSource {
  std::string name;  ///< of letters, digits and underscores
  std::filesystem::path numbers;
  std::filesystem::path checkpoint;
};

inline std::ostream& operator<<(std::ostream& out, GoldenSource const& source) {
  return out << source.name;
}

/// GPT-2: the model that ships and, where the folder `shared` is, its cf-gpt2.
std::vector<GoldenSource> golden_sources();
/// Llama: random weights that ship and, where the folder `shared` is, its cf-llama.
std::vector<GoldenSource> golden_llamas();

}  // namespace onemask::test
