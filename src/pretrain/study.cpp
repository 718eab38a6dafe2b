#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/text.hpp>
#include <onemask/core/yaml_document.hpp>
#include <onemask/core/yaml_section.hpp>
#include <onemask/data/file_pattern.hpp>
#include <onemask/pretrain/study.hpp>

#include <algorithm>
#include <sstream>

#include <fmt/core.h>
#include <yaml-cpp/yaml.h>

namespace onemask {
namespace {

using Paths = std::vector<std::filesystem::path>;

Paths read_files(YamlSection& section, char const* key, std::filesystem::path const& base) {
  Paths files;
  if (!section.has(key)) return files;
  auto const names = section.value(key).texts();
  if (!names) throw section.fault(key, "must be a file name or a list of file names");
  for (auto const& name : *names) {
    for (auto& file : matching_files(base / name)) files.push_back(std::move(file));
  }
  return files;
}

void read_share(YamlSection& section, char const* key, double& value) {
  section.read(key, value);
  if (!(value >= 0 && value <= 1)) throw section.fault(key, "must lie between 0 and 1");
}

void read_positive(YamlSection& section, char const* key, double& value) {
  section.read(key, value);
  if (!(value >= 1e-9 && value <= 1e9)) throw section.fault(key, "must lie between 1e-9 and 1e9");
}

void read_choice(YamlSection& section, char const* key, std::string& value, std::vector<std::string> const& choices) {
  section.read(key, value);
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return;
  throw section.fault(key, "is '" + value + "', but must be one of " + join(choices, ", "));
}

void read_size(YamlSection& section, char const* key, std::int64_t& value, std::int64_t least, std::int64_t most) {
  section.read(key, value);
  if (value < least || value > most) throw section.fault(key, fmt::format("must be a whole number from {} to {}", least, most));
}

ModelConfig read_model(YamlSection section) {
  constexpr std::int64_t widest = 65'536;
  ModelConfig model{};
  model.family = section.need<std::string>("family");
  read_choice(section, "family", model.family, {"gpt2", "llama"});
  read_size(section, "layers", model.layers, 1, 1'000);
  read_size(section, "hidden", model.hidden, 1, widest);
  read_size(section, "heads", model.heads, 1, widest);
  model.kv_heads = model.heads;
  if (model.hidden % model.heads != 0) throw section.fault("heads", "must divide 'hidden'");
  model.head_dim = model.hidden / model.heads;
  model.inner = 4 * model.hidden;
  read_size(section, "inner", model.inner, 1, 4 * widest);
  model.positions = 256;
  read_size(section, "positions", model.positions, 2, 1'000'000);
  model.norm_epsilon = 1e-5;
  model.tied_head = true;
  model.activation = "gelu_new";
  if (model.family == "llama") {
    model.activation = "silu";
    model.gated = true;
    model.rope_theta = 10'000;
    read_size(section, "kv_heads", model.kv_heads, 1, widest);
    if (model.heads % model.kv_heads != 0) throw section.fault("kv_heads", "must divide 'heads'");
    if (model.head_dim % 2 != 0) throw section.fault("heads", "must leave an even 'hidden' / 'heads' for rotary positions");
  }
  section.finish();
  return model;
}

TrainingOptions read_training(YamlSection section) {
  constexpr std::int64_t many = 1'000'000'000, most_rows = 1 << 20;
  TrainingOptions training;
  read_size(section, "steps", training.steps, 1, many);
  read_size(section, "warmup", training.warmup, 0, many);
  read_size(section, "rows", training.rows, 1, most_rows);
  read_size(section, "row_tokens", training.row_tokens, 2, most_rows);
  read_size(section, "micro_rows", training.micro_rows, 1, most_rows);
  constexpr std::int64_t most_units = 2047;  // whose integers can be added without overflow
  if (training.rows > most_units * training.micro_rows) throw section.fault("rows", "must be at most 2047 times 'micro_rows'");
  read_positive(section, "muon_lr", training.muon_lr);
  read_positive(section, "adam_lr", training.adam_lr);
  read_choice(section, "schedule", training.schedule, {"cosine", "linear"});
  read_share(section, "min_lr_ratio", training.min_lr_ratio);
  read_positive(section, "object_weight", training.object_weight);
  read_share(section, "other_share", training.other_share);
  read_share(section, "prefix_share", training.prefix_share);
  read_share(section, "period_share", training.period_share);
  read_choice(section, "precision", training.precision, {"bfloat16", "float32"});
  read_choice(section, "dtype", training.dtype, {"float16", "bfloat16", "float32"});
  read_size(section, "checkpoint_every", training.checkpoint_every, 1, many);
  read_size(section, "recall_every", training.recall_every, 1, many);
  section.finish();
  return training;
}

std::vector<RecallSet> read_recall(YamlSection section, std::filesystem::path const& base) {
  std::vector<RecallSet> sets;
  for (auto const& name : section.keys()) {
    auto part = section.section(name);
    RecallSet set{name, read_files(part, "files", base), 0, {}};
    if (set.files.empty()) throw part.fault("files", "is missing");
    part.read("heldout_paraphrases", set.heldout_paraphrases);
    if (part.has("limit")) set.limit = part.need<std::size_t>("limit");
    part.finish();
    sets.push_back(std::move(set));
  }
  return sets;
}

void read_tokenizer(YamlSection section, std::filesystem::path const& base, PretrainStudy& study) {
  if (section.has("vocabulary") == section.has("folder"))
    throw section.fault("",
                        "must have either 'vocabulary', the size of a tokenizer to train, or 'folder', that of an existing one");
  if (section.has("folder")) study.tokenizer = base / section.need<std::string>("folder");
  if (section.has("vocabulary")) {
    std::int64_t size = 0;
    read_size(section, "vocabulary", size, 257, 1 << 20);
    study.tokenizer_size = size;
  }
  section.finish();
}

PretrainCorpus read_corpus(YamlSection section, std::filesystem::path const& base) {
  PretrainCorpus corpus;
  corpus.statements = read_files(section, "statements", base);
  corpus.text = read_files(section, "text", base);
  read_share(section, "text_share", corpus.text_share);
  section.finish();
  if (corpus.statements.empty()) throw section.fault("statements", "is missing");
  if (corpus.text.empty()) corpus.text_share = 0;
  if (corpus.text_share >= 1) throw section.fault("text_share", "must be under 1");
  return corpus;
}

std::string settings_of(PretrainStudy const& study) {
  auto const& m = study.model;
  auto const& t = study.training;
  std::ostringstream text;
  text.precision(17);
  for (auto const size :
       {m.layers, m.hidden, m.heads, m.kv_heads, m.inner, m.positions, t.steps, t.warmup, t.rows, t.row_tokens, t.micro_rows}) {
    text << size << ' ';
  }
  for (auto const value : {study.corpus.text_share, t.muon_lr, t.adam_lr, t.min_lr_ratio, t.object_weight, t.other_share,
                           t.prefix_share, t.period_share}) {
    text << value << ' ';
  }
  text << study.tokenizer_size.value_or(0) << ' ' << study.seed << ' ' << m.family << ' ' << t.schedule << ' ' << t.precision
       << ' ' << t.dtype;
  return text.str();
}

}  // namespace

PretrainStudy read_pretrain_study(std::filesystem::path const& file, std::vector<std::string> const& settings) {
  auto const name = file.string();
  auto document = parse_yaml(read_file(file), "The study " + name);
  if (!document.IsMap())
    throw UserError("The study " + name + " must be a YAML mapping with name, model, tokenizer, corpus and training.");
  override_values(document, settings);
  auto const base = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  YamlSection root(document, name, "");
  PretrainStudy study;
  study.name = root.need<std::string>("name");
  root.read("seed", study.seed);
  for (auto const* key : {"model", "tokenizer", "corpus", "training"}) {
    if (!root.has(key)) throw root.fault(key, "is missing");
  }
  study.model = read_model(root.section("model"));
  read_tokenizer(root.section("tokenizer"), base, study);
  study.corpus = read_corpus(root.section("corpus"), base);
  study.training = read_training(root.section("training"));
  study.recall = read_recall(root.section("recall"), base);
  auto perplexity = root.section("perplexity");
  if (perplexity.has("text")) study.perplexity = base / perplexity.need<std::string>("text");
  perplexity.finish();
  root.finish();
  if (study.training.row_tokens > study.model.positions)
    throw root.fault("training.row_tokens", fmt::format("must be at most 'model.positions', {}", study.model.positions));
  if (study.corpus.text.empty() && study.training.prefix_share > 0)
    throw root.fault("training.prefix_share", "must be 0 if 'corpus.text' names no text to take prefixes from");
  study.settings = settings_of(study);
  return study;
}

}  // namespace onemask
