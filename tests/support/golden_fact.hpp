#pragma once

#include <onemask/data/counterfact.hpp>

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace onemask::test {

/// The fact that a record of golden numbers is about, with as much as the record holds.
inline Fact golden_fact(nlohmann::json const& record) {
  Fact fact;
  fact.case_id = record.at("case_id").get<std::int64_t>();
  fact.relation = record.value("relation", "");
  fact.subject = record.at("subject").get<std::string>();
  fact.prompt = record.at("prompt").get<std::string>();
  fact.prompt.replace(fact.prompt.find(fact.subject), fact.subject.size(), "{}");
  fact.target_true = record.at("ground_truth").get<std::string>();
  fact.target_new = record.at("target_new").get<std::string>();
  fact.paraphrase_prompts = record.value("paraphrases", std::vector<std::string>());
  fact.neighborhood_prompts = record.value("neighborhood", std::vector<std::string>());
  return fact;
}

}  // namespace onemask::test
