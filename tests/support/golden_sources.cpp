#include "support/golden_sources.hpp"

#include "support/shared_files.hpp"

namespace onemask::test {
namespace {

/// `shipped`, and the checkpoint `name` of the folder `shared` where that is.
std::vector<GoldenSource> with_shared(GoldenSource shipped, std::string const& name, std::string const& folder) {
  std::vector<GoldenSource> sources{std::move(shipped)};
  if (auto const shared = shared_folder()) sources.push_back({name, *shared / "golden", *shared / "checkpoints" / folder});
  return sources;
}

}  // namespace

std::vector<GoldenSource> golden_sources() {
  auto const world = source_folder() / "res" / "models" / "world-gpt2";
  return with_shared({"world_gpt2", source_folder() / "tests" / "golden" / "world-gpt2", world}, "cf_gpt2", "cf-gpt2");
}

std::vector<GoldenSource> golden_llamas() {
  auto const tiny = source_folder() / "tests" / "golden" / "tiny-llama";
  return with_shared({"tiny_llama", tiny, tiny}, "cf_llama", "cf-llama");
}

}  // namespace onemask::test
