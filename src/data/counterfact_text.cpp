#include <onemask/data/counterfact.hpp>

#include <nlohmann/json.hpp>

namespace onemask {
namespace {

using OrderedJson = nlohmann::ordered_json;

/// An object; files may leave its item out.
OrderedJson target_json(std::string const& text, std::string const& item) {
  OrderedJson target{{"str", text}};
  if (!item.empty()) target["id"] = item;
  return target;
}

OrderedJson record_json(Fact const& fact) {
  OrderedJson record{{"case_id", fact.case_id}};
  if (fact.pararel_idx) record["pararel_idx"] = *fact.pararel_idx;
  record["requested_rewrite"] = {{"prompt", fact.prompt},
                                 {"relation_id", fact.relation},
                                 {"target_new", target_json(fact.target_new, fact.target_new_id)},
                                 {"target_true", target_json(fact.target_true, fact.target_true_id)},
                                 {"subject", fact.subject}};
  record["paraphrase_prompts"] = fact.paraphrase_prompts;
  record["neighborhood_prompts"] = fact.neighborhood_prompts;
  record["attribute_prompts"] = fact.attribute_prompts;
  record["generation_prompts"] = fact.generation_prompts;
  return record;
}

}  // namespace

std::string counterfact_text(std::vector<Fact> const& facts) {
  std::string text = "[";
  for (Fact const& fact : facts) text += (&fact == &facts.front() ? "\n" : ",\n") + record_json(fact).dump();
  return text + "\n]\n";
}

}  // namespace onemask
