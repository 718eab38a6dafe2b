#include "cli/compute_commands.hpp"
#include <onemask/comm/agree.hpp>
#include <onemask/compute/computing.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/json_line.hpp>
#include <onemask/core/posix_file.hpp>
#include <onemask/core/text.hpp>
#include <onemask/moments/moments.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <limits>
#include <memory>
#include <optional>
#include <set>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

using Words = std::vector<std::string>;

/// What the command line asks for.
struct StatsRequest {
  std::filesystem::path model, objects;
  std::optional<std::filesystem::path> exported;
  std::string device, dtype;
  int threads = 1;
  std::vector<int> layers;  ///< ascending
  MomentsOptions options;
  bool json = false;
};

std::optional<int> whole_number(std::string_view text) {
  int number = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

/// "13-17" or "0,2,5-7".
std::vector<int> parse_layers(std::string const& text) {
  constexpr int most = 1'000;
  std::set<int> layers;
  for (auto const& piece : split_text(text, ',')) {
    auto const ends = split_text(piece, '-');
    auto const first = whole_number(ends.front()), last = whole_number(ends.back());
    if (ends.size() > 2 || !first || !last || *first > *last || *last > most) {
      throw UserError("The option --layers must be a list of layers such as 13-17 or 0,2,5-7, but is '" + text + "'.");
    }
    for (int layer = *first; layer <= *last; ++layer) layers.insert(layer);
  }
  return {layers.begin(), layers.end()};
}

std::map<int, std::filesystem::path> parse_files(Words const& given, std::vector<int> const& layers) {
  std::map<int, std::filesystem::path> files;
  for (auto const& text : given) {
    auto const equals = text.find('=');
    auto const layer = equals == std::string::npos ? std::nullopt : whole_number(std::string_view(text).substr(0, equals));
    if (!layer || equals + 1 == text.size()) {
      throw UserError("The option --npz takes LAYER=FILE, such as 17=layer17.npz, but was given '" + text + "'.");
    }
    if (std::find(layers.begin(), layers.end(), *layer) == layers.end()) {
      throw UserError(fmt::format("The option --npz names a file for layer {}, which --layers does not name.", *layer));
    }
    if (!files.emplace(*layer, text.substr(equals + 1)).second) {
      throw UserError(fmt::format("The option --npz names two files for layer {}. Keep one.", *layer));
    }
  }
  return files;
}

int small_number(po::variables_map const& values, std::string const& name) {
  return static_cast<int>(std::min<std::int64_t>(positive_number(values, name), std::numeric_limits<int>::max()));
}

StatsRequest stats_request_of(po::variables_map const& values) {
  StatsRequest request;
  request.model = need_option(values, "model", "the folder of a model");
  request.objects = need_option(values, "objects", "the folder of second moments");
  request.layers = parse_layers(need_option(values, "layers", "the layers, such as 13-17"));
  request.device = values["device"].as<std::string>();
  request.dtype = values["dtype"].as<std::string>();
  request.threads = small_number(values, "threads");
  request.json = values.contains("json");
  auto& options = request.options;
  if (values.contains("text")) {
    for (auto const& file : values["text"].as<Words>()) options.text.emplace_back(file);
  }
  if (values.contains("ids")) options.ids = need_option(values, "ids", "a file of token ids");
  if (values.contains("tokens")) options.tokens = positive_number(values, "tokens");
  if (values.contains("segment")) options.segment = small_number(values, "segment");
  if (values.contains("npz")) options.files = parse_files(values["npz"].as<Words>(), request.layers);
  if (values.contains("export")) request.exported = need_option(values, "export", "a folder");
  return request;
}

std::string json_of(SecondMoment const& moment, std::string const& key) {
  auto convergence = nlohmann::ordered_json::array();
  for (auto const& entry : moment.convergence) convergence.push_back({{"tokens", entry.tokens}, {"change", entry.change}});
  return json_line({{"layer", moment.layer},
                    {"tokens", moment.tokens},
                    {"trace", trace(moment)},
                    {"condition_at_least", least_condition(moment)},
                    {"convergence", convergence},
                    {"object", key}}) +
         "\n";
}

std::string line_of(SecondMoment const& moment, std::string const& key) {
  std::array<char, 128> numbers{};
  std::snprintf(numbers.data(), numbers.size(), "%5d %12lld %12.6g %12.3g  ", moment.layer, static_cast<long long>(moment.tokens),
                trace(moment), least_condition(moment));
  std::string changes;
  for (auto const& entry : moment.convergence) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.2f%% at %lld", 100 * entry.change, static_cast<long long>(entry.tokens));
    changes += (changes.empty() ? "" : ", ") + std::string(text.data());
  }
  return numbers.data() + key.substr(0, 12) + "  " + (changes.empty() ? "-" : changes) + "\n";
}

CommandResult run_stats(po::variables_map const& values, Environment const& environment) {
  auto const world = environment.world();
  StatsRequest request;
  std::unique_ptr<CausalLM> model;
  std::optional<Tokenizer> tokenizer;
  std::optional<ObjectStore> objects;
  std::string execution;
  Placement placement{c10::kCPU, c10::kFloat};
  agree(world, [&] {
    request = stats_request_of(values);
    require_one_run(world);
    set_threads(request.threads);
    set_product_precision("float32");
    placement = parse_placement(request.device, request.dtype, environment.local_rank());
    execution = execution_of(placement.device.type(), request.dtype, "float32", request.threads);
  });
  expect_one_execution(world, execution);
  agree(world, [&] {
    model = load_causal_lm(Checkpoint::open(request.model), placement);
    tokenizer = Tokenizer::open(request.model);
    objects.emplace(request.objects, true, kind_of_numbers(placement.device));
  });
  Fingerprints const fingerprints{model->fingerprint(), tokenizer->fingerprint(), execution};
  auto const keys = make_moments(world, *model, *tokenizer, request.options, request.layers, *objects,
                                 request.objects / "checkpoints", fingerprints);
  CommandResult result;
  agree(world, [&] {
    if (world.rank() != 0) return;
    if (!request.json) {
      result.output = "layer       tokens        trace  condition >  object        change when the tokens were doubled\n";
    }
    for (auto const& [layer, key] : keys) {
      auto moment = load_moment(*objects, key, layer, model->config().inner);
      result.output += request.json ? json_of(moment, key) : line_of(moment, key);
      if (!request.exported) continue;
      make_folder(*request.exported);
      moment.made_by = objects->maker_of(key).value_or("");
      write_file_atomically(*request.exported / fmt::format("moment-{}.safetensors", layer), to_bytes(moment));
    }
  });
  return result;
}

}  // namespace

Command stats_command() {
  Command command{
      "stats",
      "--model FOLDER (--text FILE ... | --ids FILE | --npz LAYER=FILE ...) --layers LIST --objects FOLDER [options]",
      "Second moments that --objects has already are not computed again. The same command continues after an interruption.",
      "  mpirun -n 8 onemask stats --model checkpoints/gpt2-xl --text wiki/*.txt --layers 13-17 --tokens 1000000 \\\n"
      "    --objects results/objects\n"
      "  onemask stats --model checkpoints/gpt2-xl --layers 17 --npz 17=stats/layer17.npz --objects results/objects\n",
      0,
      true,
      no_options(),
      run_stats};
  auto const text = [](char const* name) { return po::value<std::string>()->value_name(name); };
  auto const list = [](char const* name) { return po::value<Words>()->multitoken()->value_name(name); };
  command.options->add_options()                                                      //
      ("model", text("FOLDER"), "checkpoint as save_pretrained writes it; required")  //
      ("text", list("FILE ..."),
       "texts: *.jsonl with a field \"text\" in every line, others plain, documents "  //
       "between blank lines; * is understood")                                         //
      ("ids", text("FILE"),
       "token ids instead: .safetensors with one integer tensor [segments, length], or "                          //
       "JSON lines of lists")                                                                                     //
      ("npz", list("LAYER=FILE ..."), "second moments that layer_stats or --export saved, instead of computing")  //
      ("layers", text("LIST"), "such as 13-17 or 0,2,5-7; required")                                              //
      ("tokens", text("N"), "only the first N tokens of the corpus (default: all)")                               //
      ("segment", text("S"), "tokens read at once (default: the model's positions, at most 1024)")                //
      ("objects", text("FOLDER"), "where second moments are kept; required")                                      //
      ("export", text("FOLDER"), "writes FOLDER/moment-LAYER.safetensors as well")                                //
      ("device", text("D")->default_value("auto"), "cpu, cuda, cuda:N or auto")                                   //
      ("dtype", text("T")->default_value("float32"), "of the model: float32, bfloat16 or float16 (GPUs only)")    //
      ("threads", text("N")->default_value("1"), "per rank")                                                      //
      ("json", "one JSON object per line: layer, tokens, trace, condition_at_least, convergence, object");
  return command;
}

}  // namespace onemask
