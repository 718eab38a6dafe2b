#include <onemask/checkpoint/checkpoint.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/text.hpp>
#include <onemask/doctor/doctor.hpp>
#include <onemask/gpu/gpus.hpp>
#include <onemask/model/device.hpp>
#include <onemask/study/edit_files.hpp>
#include <onemask/tokenizer/tokenizer.hpp>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

Finding study_finding(Study const& study) {
  auto const points = study.points.size();
  auto const masked = std::count_if(study.points.begin(), study.points.end(), [](auto const& point) { return point.masked; });
  return {Verdict::ok, "study",
          fmt::format("'{}': {}, {} of them with masks", study.name, counted(points, "point"), study.masks ? masked : 0)};
}

Findings checkpoint_findings(Checkpoint const& checkpoint, Study const& study) {
  auto const& config = checkpoint.config();
  for (auto const& point : study.points) {
    for (auto const layer : point.edit.hparams.layers) {
      if (layer < config.layers) continue;
      throw UserError(fmt::format("The study edits layer {}, but the model has layers 0 to {}. Choose one of these.", layer,
                                  config.layers - 1));
    }
  }
  return {{Verdict::ok, "checkpoint",
           fmt::format("{}: {}, {} layers of width {}, {}", study.model.checkpoint.lexically_normal().string(), config.family,
                       config.layers, config.hidden, format_bytes(static_cast<double>(checkpoint.bytes())))}};
}

Findings tokenizer_findings(Checkpoint const& checkpoint) {
  auto const known = checkpoint.config().vocabulary;
  auto const tokenizer = Tokenizer::open(checkpoint.folder()).within(known);
  static_cast<void>(tokenizer.adds_bos());  // or says why nothing can stand around a text as the files have it
  return {{Verdict::ok, "tokenizer", fmt::format("{} tokens, the model has {}", tokenizer.vocabulary_size(), known)}};
}

/// Whether the weights fit where this rank computes. They share the files' memory on a CPU when their type is the one asked for.
Finding memory_finding(Checkpoint const& checkpoint, ModelOptions const& model, Environment const& environment) {
  auto const placement = parse_placement(model.device, model.dtype, environment.local_rank());
  auto const weights = checkpoint.weights();
  std::uint64_t count = 0;
  for (auto const& [type, of_type] : weights) count += of_type;
  auto const copy = static_cast<double>(count) * static_cast<double>(c10::elementSize(placement.dtype));
  auto copies = environment.local_size();
  auto available = static_cast<double>(memory_of().available);
  std::string where = "of this host";
  if (!placement.device.is_cpu()) {
    auto const gpus = std::max(visible_devices(placement.device.type()), 1);
    copies = (copies + gpus - 1) / gpus;
    auto const gpu = describe_gpu(placement.device);
    if (gpu.memory == 0)
      return {Verdict::ok, "weights", format_bytes(copy) + " on a GPU; this build cannot ask for its memory (no NCCL)"};
    available = static_cast<double>(gpu.free_memory);
    where = "of a GPU";
  } else if (weights.empty() || (weights.size() == 1 && weights.contains(placement.dtype))) {
    copies = 1;
  }
  auto const needed = copy * copies;
  Finding finding{Verdict::ok, "weights",
                  fmt::format("{} of the {} free memory {} ({}{})", format_bytes(needed), format_bytes(available), where,
                              model.dtype, copies > 1 ? fmt::format(", {} copies", copies) : "")};
  if (needed > 0.8 * available) {
    finding.verdict = needed > available ? Verdict::problem : Verdict::warning;
    finding.text +=
        ". They leave no memory for the work: start fewer ranks on a host, choose bfloat16, or use a machine with more memory.";
  }
  return finding;
}

Findings fact_findings(Study const& study) {
  std::map<std::string, std::size_t> counts;
  for (auto const& fact : select_facts(study.facts, study.base, study.training_splits())) ++counts[fact.split];
  std::string text;
  for (auto const& selection : study.facts) {
    auto const count = std::exchange(counts[selection.split], 0);
    bool const is_bound = selection.known != KnownTest::none;
    if (count > 0) text += fmt::format("{}{} {}{}", text.empty() ? "" : ", ", selection.split, is_bound ? "at most " : "", count);
  }
  auto const asks = [](FactSelection const& selection) { return selection.known != KnownTest::none; };
  if (std::any_of(study.facts.begin(), study.facts.end(), asks))
    text += "; which of them the model knows is found out when the run starts";
  return {{Verdict::ok, "facts", text}};
}

/// Whether the facts have the finished edits that the study wants to read.
Findings edit_findings(Study const& study) {
  auto const facts = select_facts(study.facts, study.base);
  Findings findings;
  std::set<std::string> known;
  for (auto const& point : study.points) {
    if (point.edit.hparams.method != EditMethod::imported || !known.insert(point.edits).second) continue;
    std::size_t found = 0;
    std::string missing;
    for (auto const& fact : facts) {
      auto const path = edit_file_of(point.edit.files, fact);
      std::error_code unreadable;
      if (!path.empty() && std::filesystem::exists(path, unreadable)) {
        ++found;
      } else if (!path.empty() && missing.empty()) {
        missing = path.string();
      }
    }
    findings.push_back({found == facts.size() ? Verdict::ok
                        : found == 0          ? Verdict::problem
                                              : Verdict::warning,
                        "edits",
                        fmt::format("{}: {} of {} facts have a finished edit{}", point.edits, found, facts.size(),
                                    missing.empty() ? "" : ". There is no '" + missing + "', for example. Check edit.files.")});
  }
  return findings;
}

}  // namespace

std::optional<Study> examine_study(Examination& examination, std::function<Study()> const& read) {
  examination.begin("study");
  std::optional<Study> study;
  bool const readable = examination.each_rank("study", true, [&] {
    study = read();
    return Findings{study_finding(*study)};
  });
  if (!readable) return std::nullopt;
  std::optional<Checkpoint> checkpoint;
  bool const opened = examination.each_rank("checkpoint", true, [&] {
    checkpoint = Checkpoint::open(study->model.checkpoint);
    return checkpoint_findings(*checkpoint, *study);
  });
  if (opened) {
    examination.each_rank("tokenizer", examination.leads_host(), [&] { return tokenizer_findings(*checkpoint); });
    examination.each_rank("weights", true, [&] {
      auto const finding = memory_finding(*checkpoint, study->model, examination.environment());
      return examination.is_root() || finding.verdict != Verdict::ok ? Findings{finding} : Findings{};
    });
  }
  bool const readable_facts = examination.each_rank("facts", examination.is_root(), [&] { return fact_findings(*study); });
  if (readable_facts) examination.each_rank("edits", examination.is_root(), [&] { return edit_findings(*study); });
  return study;
}

}  // namespace onemask
