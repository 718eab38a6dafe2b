#include "pretrain/report.hpp"

#include <onemask/core/error.hpp>
#include <onemask/core/text.hpp>

#include <array>
#include <cstdio>

#include <nlohmann/json.hpp>

namespace onemask {
namespace {

using Json = nlohmann::ordered_json;

double tokens_per_second(PretrainReport const& report) {
  return report.seconds > 0 ? static_cast<double>(report.tokens) / report.seconds : 0;
}

double per_cent(std::int64_t part, std::int64_t whole) {
  return whole > 0 ? 100.0 * static_cast<double>(part) / static_cast<double>(whole) : 0;
}

template <typename... Values>
std::string line(char const* format, Values... values) {
  std::array<char, 256> text{};
  std::snprintf(text.data(), text.size(), format, values...);
  return text.data();
}

}  // namespace

std::string to_json(PretrainReport const& report) {
  Json json{{"name", report.name},           {"study", report.study},           {"questions", report.questions},
            {"model_sha256", report.sha256}, {"parameters", report.parameters}, {"steps", report.steps},
            {"tokens", report.tokens},       {"seconds", report.seconds},       {"tokens_per_second", tokens_per_second(report)},
            {"ranks", report.ranks},         {"recall", Json::array()}};
  for (auto const& r : report.recall) {
    json["recall"].push_back({{"set", r.set}, {"kind", r.kind}, {"n", r.n}, {"top1", r.top1}, {"two_way", r.two_way}});
  }
  if (report.perplexity) json["perplexity"] = {{"value", report.perplexity->value}, {"tokens", report.perplexity->tokens}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

PretrainReport read_report(std::string const& text, std::string const& file) {
  try {
    auto const json = Json::parse(text);
    PretrainReport report;
    report.name = json.at("name").get<std::string>();
    report.study = json.at("study").get<std::string>();
    report.questions = json.at("questions").get<std::string>();
    report.sha256 = json.at("model_sha256").get<std::string>();
    report.parameters = json.at("parameters").get<std::int64_t>();
    report.steps = json.at("steps").get<std::int64_t>();
    report.tokens = json.at("tokens").get<std::int64_t>();
    report.seconds = json.at("seconds").get<double>();
    report.ranks = json.at("ranks").get<int>();
    for (auto const& r : json.at("recall")) {
      report.recall.push_back({r.at("set").get<std::string>(), r.at("kind").get<std::string>(), r.at("n").get<std::int64_t>(),
                               r.at("top1").get<std::int64_t>(), r.at("two_way").get<std::int64_t>()});
    }
    if (json.contains("perplexity")) {
      auto const& p = json.at("perplexity");
      report.perplexity = Perplexity{p.at("value").get<double>(), p.at("tokens").get<std::int64_t>()};
    }
    return report;
  } catch (nlohmann::json::exception const&) {
    throw UserError("'" + file + "' is not a training report that this version can read. Empty the folder, or choose another.");
  }
}

std::string to_table(PretrainReport const& report) {
  auto text = report.name + line(": %lld steps, %lld tokens in %s on %d %s (%.0f tokens a second), %.1f million parameters\n",
                                 static_cast<long long>(report.steps), static_cast<long long>(report.tokens),
                                 format_duration(report.seconds).c_str(), report.ranks, report.ranks == 1 ? "rank" : "ranks",
                                 tokens_per_second(report), static_cast<double>(report.parameters) / 1e6);
  text += "model.safetensors sha256 " + report.sha256 + "\n";
  if (report.perplexity) {
    text += line("perplexity on held-out text %.2f (%lld tokens)\n", report.perplexity->value,
                 static_cast<long long>(report.perplexity->tokens));
  }
  if (!report.recall.empty())
    text += line("\n%-14s %-18s %8s %8s %16s\n", "recall", "prompts", "n", "top-1 %", "P(true)>P(new) %");
  for (auto const& r : report.recall) {
    text += line("%-14s %-18s %8lld %8.2f %16.2f\n", r.set.c_str(), r.kind.c_str(), static_cast<long long>(r.n),
                 per_cent(r.top1, r.n), per_cent(r.two_way, r.n));
  }
  return text;
}

}  // namespace onemask
