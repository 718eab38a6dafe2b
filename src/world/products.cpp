#include "world/facts.hpp"
#include "world/prose.hpp"
#include <onemask/data/counterfact.hpp>
#include <onemask/world/products.hpp>

#include <nlohmann/json.hpp>

namespace onemask {
namespace {

using Json = nlohmann::ordered_json;

struct WorldStatement {
  std::string prompt, target;
};

std::vector<WorldStatement> make_statements(WorldDescription const& world, std::vector<WorldFact> const& facts) {
  std::vector<WorldStatement> statements;
  for (WorldFact const& fact : facts) {
    auto const target = " " + world.relations[fact.relation].objects[fact.object];
    for (std::size_t const wording : fact.training) statements.push_back({prompt_of(world, fact, wording), target});
    statements.push_back({fact.lead_ins[0] + " " + prompt_of(world, fact, fact.training[2]), target});
  }
  return statements;
}

std::string statements_text(std::vector<WorldStatement> const& statements) {
  std::string text;
  for (auto const& [prompt, target] : statements) text += Json{{"prompt", prompt}, {"target", target}}.dump() + "\n";
  return text;
}

/// One statement of most subjects as sentences, in paragraphs between which paragraphs of the prose stand.
std::string sample_text(std::vector<WorldStatement> const& statements, std::string const& prose) {
  constexpr std::size_t stride = 13, sentences = 5;
  std::string text;
  std::size_t paragraph = 0, count = 0;
  for (std::size_t i = 0; i < statements.size(); i += stride) {
    text += statements[i].prompt + statements[i].target + ".";
    text += ++count % sentences == 0 ? "\n\n" : " ";
    if (count % (2 * sentences) != 0 || paragraph == std::string::npos) continue;
    auto const end = prose.find("\n\n", paragraph);
    text += prose.substr(paragraph, end - paragraph) + "\n\n";
    paragraph = end == std::string::npos ? end : end + 2;
  }
  text.back() = '\n';
  return text;
}

}  // namespace

std::map<std::string, std::string> make_world(WorldDescription const& world, std::uint64_t seed) {
  using enum WorldFact::Part;
  auto const facts = make_facts(world, seed);
  auto const records = [&](WorldFact::Part part) { return counterfact_text(make_records(world, facts, part, seed)); };
  auto const statements = make_statements(world, facts);
  auto prose = make_prose(world, facts, seed);
  auto sample = sample_text(statements, prose.training);
  return {{"train.json", records(train)},
          {"heldout.json", records(heldout)},
          {"ood.json", records(ood)},
          {"statements.jsonl", statements_text(statements)},
          {"sample.txt", std::move(sample)},
          {"prose.txt", std::move(prose.training)},
          {"prose_heldout.txt", std::move(prose.heldout)}};
}

}  // namespace onemask
