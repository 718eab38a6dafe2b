#include "commands/light_commands.hpp"
#include <onemask/core/file.hpp>
#include <onemask/core/posix_file.hpp>
#include <onemask/core/text.hpp>
#include <onemask/world/products.hpp>

#include <algorithm>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>
#include <fmt/core.h>

namespace onemask {
namespace {

CommandResult write_world(po::variables_map const& values) {
  auto const world = read_world(only_operand(values, "WORLD.yaml, the description of a world,"));
  auto const seed = static_cast<std::uint64_t>(positive_number(values, "seed"));
  std::filesystem::path const folder = need_option(values, "out", "the folder to write into");
  auto const files = make_world(world, seed);
  make_folder(folder);
  CommandResult result;
  for (auto const& [name, content] : files) {
    write_file_atomically(folder / name, content);
    auto const lines = std::count(content.begin(), content.end(), '\n');
    result.output +=
        fmt::format("{}: {} lines, {}\n", (folder / name).string(), lines, format_bytes(static_cast<double>(content.size())));
  }
  return result;
}

}  // namespace

Command world_command() {
  Command command{
      "world",
      "WORLD.yaml --out FOLDER [--seed N]",
      "FOLDER gets CounterFact records (train.json, heldout.json, ood.json), texts to train a model on (statements.jsonl,\n"
      "prose.txt), text for second moments (sample.txt) and held-out text (prose_heldout.txt). res/facts/README.md\n"
      "describes them. Equal descriptions and seeds give equal files.",
      "  onemask world res/worlds/small.yaml --seed 1 --out results/world\n",
      1,
      false,
      no_options(),
      [](po::variables_map const& values, Environment const&) { return write_world(values); }};
  command.options->add_options()                                                                               //
      ("out", po::value<std::string>()->value_name("FOLDER"), "folder to write to, made if absent; required")  //
      ("seed", po::value<std::string>()->value_name("N")->default_value("1"), "another seed gives another world; at least 1");
  return command;
}

}  // namespace onemask
