#include <onemask/world/facts.hpp>
#include <onemask/world/products.hpp>
#include <onemask/world/prose.hpp>

#include <nlohmann/json.hpp>

namespace onemask {
namespace {

using Json = nlohmann::ordered_json;

Json record_json(Fact const& fact) {
  return {{"case_id", fact.case_id},
          {"pararel_idx", *fact.pararel_idx},
          {"requested_rewrite",
           {{"prompt", fact.prompt},
            {"relation_id", fact.relation},
            {"target_new", {{"str", fact.target_new}, {"id", fact.target_new_id}}},
            {"target_true", {{"str", fact.target_true}, {"id", fact.target_true_id}}},
            {"subject", fact.subject}}},
          {"paraphrase_prompts", fact.paraphrase_prompts},
          {"neighborhood_prompts", fact.neighborhood_prompts},
          {"attribute_prompts", fact.attribute_prompts},
          {"generation_prompts", fact.generation_prompts}};
}

std::string records_text(std::vector<Fact> const& records) {
  std::string text = "[";
  for (Fact const& record : records) text += (&record == &records.front() ? "\n" : ",\n") + record_json(record).dump();
  return text + "\n]\n";
}

std::string statements_text(WorldDescription const& world, std::vector<WorldFact> const& facts) {
  std::string text;
  for (WorldFact const& fact : facts) {
    auto const target = " " + world.relations[fact.relation].objects[fact.object];
    auto const state = [&](std::string const& prompt) { text += Json{{"prompt", prompt}, {"target", target}}.dump() + "\n"; };
    for (std::size_t const wording : fact.training) state(prompt_of(world, fact, wording));
    state(fact.lead_ins[0] + " " + prompt_of(world, fact, fact.training[2]));
  }
  return text;
}

}  // namespace

std::map<std::string, std::string> make_world(WorldDescription const& world, std::uint64_t seed) {
  using enum WorldFact::Part;
  auto const facts = make_facts(world, seed);
  auto const records = [&](WorldFact::Part part) { return records_text(make_records(world, facts, part, seed)); };
  auto prose = make_prose(world, facts, seed);
  return {{"train.json", records(train)},
          {"heldout.json", records(heldout)},
          {"ood.json", records(ood)},
          {"statements.jsonl", statements_text(world, facts)},
          {"prose.txt", std::move(prose.training)},
          {"prose_heldout.txt", std::move(prose.heldout)}};
}

}  // namespace onemask
