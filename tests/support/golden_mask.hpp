#pragma once

#include "support/golden.hpp"
#include <onemask/data/counterfact.hpp>
#include <onemask/edit/edit.hpp>

#include <map>
#include <vector>

namespace onemask::test {

/// Facts with the edits that the golden masks and evaluations were made with.
struct GoldenEdits {
  std::vector<Fact> facts;
  std::vector<Edit> edits;
  std::map<std::int64_t, std::size_t> place;  ///< by case_id

  GoldenEdits(nlohmann::json const& golden, SafetensorsFile const& factors) {
    auto const u = factors.tensor("u"), v = factors.tensor("v");
    for (auto const& record : golden.at("records")) {
      auto const index = static_cast<std::int64_t>(facts.size());
      Fact fact;
      fact.case_id = record.at("case_id").get<std::int64_t>();
      fact.relation = record.at("relation").get<std::string>();
      fact.subject = record.at("subject").get<std::string>();
      auto const prompt = record.at("prompt").get<std::string>();
      auto const subject = prompt.find(fact.subject);
      fact.prompt = prompt.substr(0, subject) + "{}" + prompt.substr(subject + fact.subject.size());
      fact.target_true = record.at("ground_truth").get<std::string>();
      fact.target_new = record.at("target_new").get<std::string>();
      fact.paraphrase_prompts = record.at("paraphrases").get<std::vector<std::string>>();
      Edit edit;
      edit.case_id = fact.case_id;
      edit.layer = 2;
      edit.left = v[index].unsqueeze(0);
      edit.right = u[index].unsqueeze(0);
      place[fact.case_id] = facts.size();
      facts.push_back(std::move(fact));
      edits.push_back(std::move(edit));
    }
  }
};

}  // namespace onemask::test
