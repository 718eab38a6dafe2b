#include "cli/compute_commands.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/json_line.hpp>
#include <onemask/eval/predict.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

std::string format_lines(std::string const& prompt, std::vector<Prediction> const& predictions) {
  std::string text = prompt + "\n";
  for (auto const& prediction : predictions) {
    std::array<char, 96> numbers{};
    std::snprintf(numbers.data(), numbers.size(), "%12.6f %12.5f %8lld  ", prediction.probability, prediction.logit,
                  static_cast<long long>(prediction.id));
    text += numbers.data() + json_line(prediction.text) + "\n";
  }
  return text;
}

std::string format_json(std::string const& prompt, std::vector<Prediction> const& predictions) {
  auto list = nlohmann::ordered_json::array();
  for (auto const& p : predictions) {
    list.push_back({{"id", p.id}, {"text", p.text}, {"probability", p.probability}, {"logit", p.logit}});
  }
  return json_line({{"prompt", prompt}, {"predictions", list}}) + "\n";
}

CommandResult predict_prompts(po::variables_map const& values, Environment const& environment) {
  auto const prompts = operands(values);
  if (prompts.empty()) throw UserError("The operand PROMPT, a text for the model to continue, is missing.");
  auto const top = std::min<std::int64_t>(positive_number(values, "top"), std::numeric_limits<int>::max());
  std::filesystem::path const folder = need_option(values, "model", "the folder of a model");
  set_product_precision("float32");
  auto const placement =
      parse_placement(values["device"].as<std::string>(), values["dtype"].as<std::string>(), environment.local_rank());
  auto const tokenizer = Tokenizer::open(folder);
  auto const model = load_causal_lm(Checkpoint::open(folder), placement);
  bool const json = values.contains("json");
  CommandResult result;
  if (!json) result.output = " probability        logit       id  token\n";
  for (auto const& prompt : prompts) {
    auto const predictions = predict(*model, tokenizer, prompt, static_cast<int>(top));
    result.output += json ? format_json(prompt, predictions) : format_lines(prompt, predictions);
  }
  return result;
}

}  // namespace

Command predict_command() {
  Command command{"predict",
                  "--model FOLDER [options] PROMPT ...",
                  "",
                  "  onemask predict --model checkpoints/gpt2 \"The mother tongue of Danielle Darrieux is\"\n"
                  "  onemask predict --model checkpoints/gpt2 --top 3 --json --device cuda \"Paris is the capital of\"\n",
                  -1,
                  false,
                  no_options(),
                  predict_prompts};
  auto const text = [](char const* name) { return po::value<std::string>()->value_name(name); };
  command.options->add_options()                                                                  //
      ("model", text("FOLDER"), "checkpoint as save_pretrained writes it; required")              //
      ("top", text("K")->default_value("10"), "how many tokens")                                  //
      ("device", text("D")->default_value("auto"), "cpu, cuda, cuda:N or auto")                   //
      ("dtype", text("T")->default_value("float32"), "float32, bfloat16 or float16 (GPUs only)")  //
      ("json", "one JSON object per line: prompt, predictions");
  return command;
}

}  // namespace onemask
