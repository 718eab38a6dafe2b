#include "work/memory_setting.hpp"
#include "work/stored_results.hpp"
#include "work/task_work.hpp"
#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/compute/computing.hpp>
#include <onemask/compute/reducer.hpp>
#include <onemask/core/checkpoint_file.hpp>
#include <onemask/core/reserved_names.hpp>
#include <onemask/edit/weight_delta.hpp>
#include <onemask/mask/trainer.hpp>

#include <algorithm>
#include <optional>

#include <fmt/core.h>

namespace onemask {
namespace {

/// The kinds of machines that have worked on a checkpoint; those of earlier versions do not say.
std::string makers_in(std::string const& checkpoint, std::string const& name) {
  auto const metadata = SafetensorsFile::parse(checkpoint, name).metadata();
  auto const found = metadata.find("made_by");
  return found == metadata.end() ? "" : found->second;
}

/// What makes room for the facts that are kept on the device while masks are trained, and for the masks.
std::string remedy_for_training_set(MaskTask const& task, std::size_t facts) {
  return fmt::format(
      "It holds {} facts of the split '{}' while masks are trained on them. Set facts.{}.limit to a smaller number, or "
      "model.dtype to bfloat16.",
      facts, task.split, task.split);
}

/// Trains one mask over a group, from its last checkpoint if there is one. Returns false when it was stopped; its checkpoint is
/// written then.
bool train(WorkContext const& run, MaskTask const& task, TrainingSet const& facts, TaskContext const& context) {
  auto const& group = context.group;
  bool const leads = group.rank() == 0;
  CheckpointFile const file(run.checkpoints / (task.key + ".safetensors"));
  auto const reducer = make_reducer(group, run.model.device());
  context.sums_through(reducer->transport());
  auto trainer = with_remedy_for_memory(remedy_for_training_set(task, facts.size()), [&] {
    return MaskTrainer(facts, task.options, initial_theta(task.options, facts.mask_shape(), task.seed),
                       shuffled(task.seed, facts.size()), {group.rank(), group.size()}, *reducer);
  });
  auto const saved = group.broadcast(leads ? file.read().value_or("") : "", 0);
  auto made_by = joined_kinds(group, run.objects.made_by());
  if (!saved.empty()) {
    trainer.restore(saved, file.name());
    context.resumes(static_cast<double>(trainer.next_epoch()) / task.options.epochs);
    made_by = joined_kinds({made_by, makers_in(saved, file.name())});
  }
  auto const save = [&] {
    // A rank that hung may come back when others have long trained the mask in its place, in the middle of this too.
    if (!leads || run.objects.has(task.key)) return;
    file.write(trainer.checkpoint(made_by));
    if (run.objects.has(task.key)) file.remove();
  };
  while (!trainer.done()) {
    if (group.all_reduce_max(context.stopped()) != 0) {
      save();
      return false;
    }
    with_memory_set_by("mask.micro_batch", [&] { trainer.run_epoch(); });
    if (!trainer.done() && trainer.next_epoch() % task.options.checkpoint_every == 0) save();
    context.progress(static_cast<double>(trainer.next_epoch()) / task.options.epochs);
  }
  if (leads) {
    run.objects.put(task.key, to_bytes(trainer.mask(task.seed)), made_by);
    file.remove();
  }
  return true;
}

/// The facts that masks are trained on, and the edited models that they are in.
class Trainee {
 public:
  Trainee(WorkContext const& run, MaskTask const& task)
      : run_(run),
        set_(task.set),
        layers_(task.options.layers),
        paraphrases_(task.options.paraphrases),
        of_(task.training),
        held_back_(task.held_back) {
    StoredResults results(run.objects, run.plan);
    with_remedy_for_memory(remedy_for_training_set(task, task.training.size()), [&] {
      std::vector<std::pair<std::string, MaskedModel>> models;  // by their object, in the order of the first facts
      add(task.training, &MaskedModel::training, results, models);
      add(task.held_back, &MaskedModel::validation, results, models);
      std::vector<MaskedModel> ordered;
      for (auto& [key, model] : models) ordered.push_back(std::move(model));
      facts_.emplace(run.model, layers_, ordered);
    });
  }

  bool serves(MaskTask const& task) const {
    return task.set == set_ && task.options.layers == layers_ && task.options.paraphrases == paraphrases_ &&
           task.training == of_ && task.held_back == held_back_;
  }
  TrainingSet const& facts() const { return *facts_; }

 private:
  /// Adds those of the facts that are edited to their models. Where every fact brings its own edit, the original is the one
  /// model.
  void add(std::vector<std::size_t> const& of, std::vector<MaskFact> MaskedModel::*member, StoredResults& results,
           std::vector<std::pair<std::string, MaskedModel>>& models) {
    auto const& set = run_.plan.sets[set_];
    for (auto const& [index, edit] : results.edits_of(set_, of)) {
      if (!edit.failure.empty()) continue;
      auto const key = set.in_batches ? set.keys[index] : "";
      auto found = std::find_if(models.begin(), models.end(), [&](auto const& model) { return model.first == key; });
      if (found == models.end()) found = models.insert(models.end(), {key, {model_of(key, results), {}}});
      auto fact = run_.plan.facts[index].fact;
      if (!paraphrases_) fact.paraphrase_prompts.clear();
      (found->second.*member)
          .push_back(make_mask_fact(run_.tokenizer, fact, edit, run_.study.peer_compatible, run_.model.config().positions));
    }
  }

  CausalLM const* model_of(std::string const& key, StoredResults& results) {
    if (key.empty()) return &run_.model;
    edited_.push_back(run_.model.with_projections(edited_weights(run_.model, results.batch_edit(key)->deltas)));
    return edited_.back().get();
  }

  WorkContext const& run_;
  std::size_t set_;
  std::vector<int> layers_;
  bool paraphrases_;
  std::vector<std::size_t> of_, held_back_;
  std::vector<std::unique_ptr<CausalLM>> edited_;
  std::optional<TrainingSet> facts_;
};

/// The mean of trained masks, on the CPU.
bool put_consensus(WorkContext const& run, MaskTask const& task, TaskContext const& context) {
  if (context.group.rank() != 0) return true;
  StoredResults const results(run.objects, run.plan);
  std::vector<SharedMask> members;
  for (auto const member : task.members) members.push_back(results.shared_mask(run.plan.masks[member]));
  run.objects.put(task.key, to_bytes(consensus_of(members)));
  return true;
}

class MaskWork : public TaskWork {
 public:
  explicit MaskWork(WorkContext const& context) : run_(context) {}

  bool run(PlannedTask planned, TaskContext const& context) override {
    auto const& task = run_.plan.masks[planned.index];
    if (!task.members.empty()) return put_consensus(run_, task, context);
    if (!trainee_ || !trainee_->serves(task)) {
      trainee_.reset();
      trainee_.emplace(run_, task);
    }
    return train(run_, task, trainee_->facts(), context);
  }

 private:
  WorkContext const& run_;
  std::optional<Trainee> trainee_;
};

}  // namespace

std::unique_ptr<TaskWork> make_mask_work(WorkContext const& context) {
  return std::make_unique<MaskWork>(context);
}

}  // namespace onemask
