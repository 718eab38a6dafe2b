#pragma once

#include <onemask/edit/edit.hpp>

#include <nlohmann/json.hpp>

namespace onemask {

// Numbers that are not finite are null in JSON; they occur only beside a failure, whose text says so.

inline void to_json(nlohmann::json& json, EditOutcome const& o) {
  json = {{"case_id", o.case_id},       {"steps", o.steps},           {"loss", o.loss},      {"p_new", o.p_new},
          {"delta_norm", o.delta_norm}, {"value_norm", o.value_norm}, {"failure", o.failure}};
}

inline void from_json(nlohmann::json const& json, EditOutcome& o) {
  auto const number = [&](char const* name) { return json.at(name).is_null() ? 0.0 : json.at(name).get<double>(); };
  o = {json.at("case_id").get<std::int64_t>(),
       json.at("steps").get<int>(),
       number("loss"),
       number("p_new"),
       number("delta_norm"),
       number("value_norm"),
       json.at("failure").get<std::string>()};
}

}  // namespace onemask
