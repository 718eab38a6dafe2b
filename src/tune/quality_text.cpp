#include "tune/quality_text.hpp"

#include <array>
#include <cstdint>
#include <limits>

#include <nlohmann/json.hpp>

namespace onemask {
namespace {

constexpr double not_finite = std::numeric_limits<double>::quiet_NaN();

constexpr std::array<Estimate EditQuality::*, 4> estimates{&EditQuality::rewrite, &EditQuality::paraphrase,
                                                           &EditQuality::neighborhood, &EditQuality::score};

}  // namespace

std::string qualities_text(Qualities const& qualities) {
  auto json = nlohmann::json::object();
  for (auto const& [name, quality] : qualities) {
    auto& numbers = json[name] = nlohmann::json::array();
    for (auto const member : estimates) {
      auto const& e = quality.*member;
      numbers.push_back({e.mean, e.low, e.high, e.n, e.planned});
    }
    numbers.push_back(quality.neighborhood_kl);
    numbers.push_back(quality.perplexity_ratio.value_or(not_finite));
  }
  return json.dump();
}

Qualities qualities_of(std::string const& text) {
  auto const number = [](nlohmann::json const& value) { return value.is_null() ? not_finite : value.get<double>(); };
  Qualities qualities;
  auto const json = nlohmann::json::parse(text);
  for (auto const& [name, numbers] : json.items()) {
    EditQuality quality;
    for (std::size_t i = 0; i < estimates.size(); ++i) {
      auto const& e = numbers.at(i);
      quality.*estimates[i] = {number(e.at(0)), number(e.at(1)), number(e.at(2)), e.at(3).get<std::int64_t>(),
                               e.at(4).get<std::int64_t>()};
    }
    quality.neighborhood_kl = number(numbers.at(estimates.size()));
    if (auto const& ratio = numbers.at(estimates.size() + 1); !ratio.is_null()) quality.perplexity_ratio = ratio.get<double>();
    qualities.insert_or_assign(name, quality);
  }
  return qualities;
}

}  // namespace onemask
