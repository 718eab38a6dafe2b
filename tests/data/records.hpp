#pragma once

#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

namespace onemask::test {

/// One CounterFact record with all fields.
inline nlohmann::json record(int case_id, std::string const& relation, std::string const& subject) {
  return {{"case_id", case_id},
          {"pararel_idx", 2599},
          {"requested_rewrite",
           {{"prompt", "The mother tongue of {} is"},
            {"relation_id", relation},
            {"subject", subject},
            {"target_true", {{"str", "French"}, {"id", "Q150"}}},
            {"target_new", {{"str", " Russian"}, {"id", "Q7737"}}}}},
          {"paraphrase_prompts", {"It rained. " + subject + ", a native"}},
          {"neighborhood_prompts", {"Jean Gabin, speaker of", "Robert Schuman, speaker of"}},
          {"attribute_prompts", {"Lev Gumilyov spoke the language"}},
          {"generation_prompts", {subject + " was born in"}}};
}

inline void write_records(std::filesystem::path const& file, nlohmann::json const& records) {
  std::ofstream(file) << records.dump();
}

}  // namespace onemask::test
