#include "pretrain/model_folder.hpp"
#include "pretrain/report.hpp"
#include "pretrain/sample.hpp"
#include "pretrain/trainer.hpp"
#include <onemask/comm/agree.hpp>
#include <onemask/core/checkpoint_file.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/interrupt.hpp>
#include <onemask/core/log.hpp>
#include <onemask/core/posix_file.hpp>
#include <onemask/core/text.hpp>
#include <onemask/data/corpus.hpp>
#include <onemask/model/causal_lm.hpp>
#include <onemask/model/device.hpp>
#include <onemask/pretrain/run.hpp>
#include <onemask/tokenizer/train_tokenizer.hpp>

#include <array>
#include <chrono>
#include <cstdio>
#include <malloc.h>

#include <fmt/core.h>

namespace onemask {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double seconds_between_lines = 60;
/// Questions of each kind that are asked while a model is in training.
constexpr std::size_t sample_size = 256;

std::string per_cent(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f %%", value);
  return text.data();
}

double seconds_since(Clock::time_point moment) {
  return std::chrono::duration<double>(Clock::now() - moment).count();
}

/// The last two states of a training, each of which replaces the older one.
class Checkpoints {
 public:
  Checkpoints(std::filesystem::path const& folder, std::string study)
      : files_{CheckpointFile(folder / "checkpoint-0"), CheckpointFile(folder / "checkpoint-1")}, study_(std::move(study)) {}

  /// All ranks take up the newest state that rank 0 finds whole. Returns the seconds spent on it. Collective.
  double take_up(PretrainTrainer& trainer, Communicator const& comm) {
    std::string bytes, source;
    agree(comm, [&] {
      if (comm.rank() != 0) return;
      for (std::size_t i = 0; i < files_.size(); ++i) {
        auto content = files_[i].read();
        if (!content) continue;
        if (!bytes.empty() && PretrainTrainer::steps_in(*content) <= PretrainTrainer::steps_in(bytes)) continue;
        bytes = std::move(*content);
        source = files_[i].name();
        next_ = 1 - i;
      }
    });
    source = comm.broadcast(std::move(source), 0);
    bytes = comm.broadcast(std::move(bytes), 0);
    double seconds = 0;
    if (bytes.empty()) return seconds;
    agree(comm, [&] { seconds = trainer.restore(std::move(bytes), source, study_); });
    if (comm.rank() == 0) log_info(fmt::format("pretrain: continues after step {}", trainer.steps_done()));
    return seconds;
  }

  void write(PretrainTrainer const& trainer, double seconds) {
    files_[next_].write(trainer.checkpoint(study_, seconds));
    next_ = 1 - next_;
  }

  void remove() const {
    for (auto const& file : files_) file.remove();
  }

 private:
  std::array<CheckpointFile, 2> files_;
  std::string study_;
  std::size_t next_ = 0;
};

/// The same sizes are asked for in every step: memory that goes back to the system in between is cleared anew each time.
void keep_freed_memory() {
#ifdef __GLIBC__
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}

/// What is read before the first step.
struct Material {
  std::optional<Tokenizer> tokenizer;
  ModelConfig model;
  Sequences sequences;
  std::vector<std::vector<RecallPrompt>> prompts;  ///< of each recall set
  std::string study;                               ///< hash of all that decides the weights
  std::string questions;                           ///< hash of all that is measured at the end
};

/// Rank 0 puts the tokenizer's files into the folder, unless a training has begun there: should it be another study's, it is
/// refused later, and must not have lost its tokenizer.
void provide_tokenizer(PretrainStudy const& study, std::vector<Statement> const& statements,
                       std::filesystem::path const& folder) {
  auto const has = [&](char const* name) { return std::filesystem::exists(folder / name); };
  bool const begun =
      has("training.json") || CheckpointFile(folder / "checkpoint-0").read() || CheckpointFile(folder / "checkpoint-1").read();
  if (begun && (has("tokenizer.json") || has("vocab.json"))) return;
  if (!begun && !has("checkpoint-0") && !has("checkpoint-1") &&
      (has("model.safetensors") || has("model.safetensors.index.json") || has("pytorch_model.bin"))) {
    throw UserError("The folder '" + folder.string() +
                    "' holds a model that was not trained here. Choose another folder, or empty it.");
  }
  make_folder(folder);
  if (study.tokenizer) {
    copy_tokenizer(*study.tokenizer, folder);
  } else {
    write_tokenizer(train_byte_pairs(tokenizer_texts(statements, study.corpus.text), *study.tokenizer_size), folder,
                    study.model.positions);
  }
}

std::string hash_of_questions(PretrainStudy const& study, std::vector<std::vector<RecallPrompt>> const& sets) {
  Hasher hasher;
  hasher.text(study.name);
  for (std::size_t i = 0; i < sets.size(); ++i) {
    hasher.text(study.recall[i].name).integer(std::ssize(sets[i]));
    for (auto const& prompt : sets[i]) {
      hasher.text(prompt.kind).integer(prompt.object).integer(prompt.other).integer(std::ssize(prompt.ids));
      hasher.bytes(prompt.ids.data(), prompt.ids.size() * sizeof(std::int64_t));
    }
  }
  // The word stands for how it is measured: reports of another way are made again.
  if (study.perplexity) hasher.text("joined").text(Corpus::of_texts({*study.perplexity}).fingerprint());
  return hasher.hex();
}

Material gather_material(PretrainStudy const& study, std::filesystem::path const& folder, Communicator const& comm) {
  Material material;
  std::vector<Statement> statements;
  agree(comm, [&] {
    statements = read_statements(study.corpus.statements);
    if (comm.rank() == 0) provide_tokenizer(study, statements, folder);
  });
  agree(comm, [&] {
    material.tokenizer = Tokenizer::open(study.tokenizer.value_or(folder));
    auto const& tokenizer = *material.tokenizer;
    material.model = study.model;
    material.model.vocabulary = tokenizer.vocabulary_size();
    material.model.bos = tokenizer.bos();
    material.model.eos = tokenizer.eos();
    material.sequences = make_sequences(statements, study.corpus.text, tokenizer, study.training.row_tokens);
    for (auto const& set : study.recall) material.prompts.push_back(recall_prompts(set, tokenizer, study.model.positions));
    material.study = sha256(study.settings + material.sequences.fingerprint);
    material.questions = hash_of_questions(study, material.prompts);
  });
  return material;
}

/// The report in the folder where this training is complete, or "", as rank 0 finds it. Throws UserError where the folder holds
/// another model. Collective.
std::string finished(std::filesystem::path const& folder, std::string const& study, Communicator const& comm) {
  std::string text;
  agree(comm, [&] {
    auto const file = folder / "training.json", model = folder / "model.safetensors";
    if (comm.rank() != 0 || !std::filesystem::exists(file)) return;
    auto const content = read_file(file);
    auto const report = read_report(content, file.string());
    if (report.study != study) {
      throw UserError("The folder '" + folder.string() +
                      "' holds the model of another study, corpus or tokenizer. Choose another folder, or empty it.");
    }
    if (std::filesystem::exists(model) && sha256_file(model) == report.sha256) text = content;
  });
  return comm.broadcast(std::move(text), 0);
}

/// Steps until the end, or until a signal: then it throws Interrupted, with a checkpoint on the disk.
class Training {
 public:
  Training(PretrainStudy const& study, Material const& material, std::filesystem::path const& folder, Communicator const& comm)
      : study_(study),
        comm_(comm),
        trainer_(material.model, study, material.sequences, comm),
        checkpoints_(folder, material.study),
        facts_(material.prompts, "rewrite", sample_size, study.training.row_tokens),
        wordings_(material.prompts, "held-out wording", sample_size, study.training.row_tokens) {}

  void run(PretrainReport& report) {
    auto const& options = study_.training;
    before_ = checkpoints_.take_up(trainer_, comm_);
    start_ = printed_ = Clock::now();
    tokens_before_ = trainer_.tokens_done();
    while (trainer_.steps_done() < options.steps) {
      bool const stop = trainer_.step(interrupted(), recent_);
      auto const steps = trainer_.steps_done();
      bool const last = steps == options.steps;
      bool const ask = last || steps % options.recall_every == 0;
      say(ask);
      if (last || stop || steps % options.checkpoint_every == 0) {
        agree(comm_, [&] {
          if (comm_.rank() == 0) checkpoints_.write(trainer_, seconds());
        });
      }
      if (stop && !last) {
        throw Interrupted(
            fmt::format("Stopped by a signal after step {} of {}; the same command continues from there.", steps, options.steps));
      }
    }
    report.parameters = trainer_.flat().numel();
    report.steps = trainer_.steps_done();
    report.tokens = trainer_.tokens_done();
    report.seconds = seconds();
    report.ranks = comm_.size();
  }

  PretrainTrainer const& trainer() const { return trainer_; }
  void forget() const { checkpoints_.remove(); }

 private:
  double seconds() const { return before_ + seconds_since(start_); }

  /// A line a minute, and at every look at the sample. Collective where `ask`.
  void say(bool ask) {
    std::string recall;
    if (ask && facts_.size() > 0) {
      recall = ", knows " + per_cent(facts_.ask(trainer_.body(), comm_)) + " of facts";
      if (wordings_.size() > 0) recall += ", " + per_cent(wordings_.ask(trainer_.body(), comm_)) + " in held-out wordings";
    }
    if (!ask && seconds_since(printed_) < seconds_between_lines && trainer_.steps_done() % 100 != 10) return;
    printed_ = Clock::now();
    auto const steps = trainer_.steps_done(), left = study_.training.steps - steps;
    auto const fresh = static_cast<double>(trainer_.tokens_done() - tokens_before_);
    double const rate = fresh / seconds_since(start_);
    double const tokens_a_step = static_cast<double>(trainer_.tokens_done()) / static_cast<double>(steps);
    std::array<char, 256> text{};
    std::snprintf(text.data(), text.size(),
                  "pretrain: step %lld of %lld: loss %.3f on objects, %.3f on other tokens%s; %.0f tokens a second, %s left",
                  static_cast<long long>(steps), static_cast<long long>(study_.training.steps),
                  recent_.objects / static_cast<double>(std::max<std::int64_t>(1, recent_.object_count)),
                  recent_.others / static_cast<double>(std::max<std::int64_t>(1, recent_.other_count)), recall.c_str(), rate,
                  format_duration(static_cast<double>(left) * tokens_a_step / rate).c_str());
    if (comm_.rank() == 0) log_info(text.data());
    recent_ = {};
  }

  PretrainStudy const& study_;
  Communicator comm_;
  PretrainTrainer trainer_;
  Checkpoints checkpoints_;
  RecallSample facts_, wordings_;
  PretrainTrainer::Losses recent_;  ///< since the last line
  double before_ = 0;               ///< [seconds] of earlier runs
  std::int64_t tokens_before_ = 0;
  Clock::time_point start_, printed_;
};

/// Asks the model in the folder, and puts the answers into the report there. Collective.
void measure(PretrainStudy const& study, Material const& material, std::filesystem::path const& folder, Communicator const& comm,
             PretrainReport& report) {
  std::unique_ptr<CausalLM> model;
  agree(comm, [&] {
    model = load_causal_lm(Checkpoint::open(folder), {at::kCPU, at::kFloat});
    report.sha256 = sha256_file(folder / "model.safetensors");
  });
  report.name = study.name;
  report.questions = material.questions;
  report.recall.clear();
  for (std::size_t i = 0; i < study.recall.size(); ++i) {
    for (auto& recall : measure_recall(*model, study.recall[i].name, material.prompts[i], comm)) {
      report.recall.push_back(std::move(recall));
    }
  }
  report.perplexity.reset();
  if (study.perplexity) {
    report.perplexity = measure_perplexity(*model, *material.tokenizer, *study.perplexity, comm);
  }
  agree(comm, [&] {
    if (comm.rank() == 0) write_file_atomically(folder / "training.json", to_json(report));
  });
}

}  // namespace

PretrainReport run_pretraining(PretrainStudy const& study, std::filesystem::path const& folder, Communicator const& comm) {
  set_threads(1);
  keep_freed_memory();
  auto const material = gather_material(study, folder, comm);
  if (auto const text = finished(folder, material.study, comm); !text.empty()) {
    auto report = read_report(text, (folder / "training.json").string());
    if (comm.rank() == 0) Checkpoints(folder, material.study).remove();  // a kill may have left them
    if (report.questions != material.questions) measure(study, material, folder, comm, report);
    return report;
  }
  PretrainReport report;
  report.study = material.study;
  if (comm.rank() == 0) {
    log_info(fmt::format("pretrain: {} statements, {} pieces of text, {} tokens", material.sequences.facts.size(),
                         material.sequences.text.size(), material.model.vocabulary));
  }
  Training training(study, material, folder, comm);
  training.run(report);
  agree(comm, [&] {
    if (comm.rank() != 0) return;
    auto const& trainer = training.trainer();
    write_model(material.model, trainer.weights(), trainer.flat(), study.training.dtype, folder);
  });
  measure(study, material, folder, comm, report);
  if (comm.rank() == 0) training.forget();
  return report;
}

}  // namespace onemask
