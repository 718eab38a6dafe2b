#include "sweep/run_context.hpp"
#include <onemask/comm/agree.hpp>
#include <onemask/comm/task_queue.hpp>
#include <onemask/core/checkpoint_file.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/interrupt.hpp>
#include <onemask/core/log.hpp>
#include <onemask/core/progress.hpp>
#include <onemask/edit/weight_delta.hpp>
#include <onemask/mask/trainer.hpp>

#include <algorithm>
#include <optional>

namespace onemask {
namespace {

/// Trains one mask over a group, from its last checkpoint if there is one. Returns false when a signal interrupted it; its
/// checkpoint is written then.
bool train(RunContext const& run, MaskTask const& task, TrainingSet const& facts, Communicator const& group, Progress* progress) {
  bool const leads = group.rank() == 0;
  CheckpointFile const file(run.options.folder / "checkpoints" / (task.key + ".safetensors"));
  auto const reducer = make_reducer(group, run.model->device());
  MaskTrainer trainer(facts, task.options, initial_theta(task.options, facts.mask_shape(), task.seed),
                      shuffled(task.seed, facts.size()), {group.rank(), group.size()}, *reducer);
  auto const saved = group.broadcast(leads ? file.read().value_or("") : "", 0);
  if (!saved.empty()) trainer.restore(saved, file.name());
  while (!trainer.done()) {
    if (group.all_reduce_max(interrupted()) != 0) {
      if (leads) file.write(trainer.checkpoint());
      return false;
    }
    trainer.run_epoch();
    if (leads && !trainer.done() && trainer.next_epoch() % task.options.checkpoint_every == 0) file.write(trainer.checkpoint());
    if (progress != nullptr) progress->advance();
  }
  if (leads) {
    run.objects.put(task.key, to_bytes(trainer.mask(task.seed)));
    file.remove();
  }
  return true;
}

/// The facts that masks of a set are trained on, and the edited model that they are in.
class Trainee {
 public:
  Trainee(RunContext const& run, std::size_t set, std::vector<int> const& layers)
      : set_(set), layers_(layers), edited_(edited_model(run, run.plan.sets[set])) {
    auto const training = mask_facts(run, run.study.train_split), validation = mask_facts(run, "validation");
    facts_.emplace(*run.model, edited_ ? *edited_ : *run.model, layers, training, validation);
  }

  bool is(std::size_t set, std::vector<int> const& layers) const { return set == set_ && layers == layers_; }
  TrainingSet const& facts() const { return *facts_; }

 private:
  static std::unique_ptr<CausalLM> edited_model(RunContext const& run, EditSet const& set) {
    if (!edits_in_batches(set.options.hparams.method)) return {};
    auto const fact = run.plan.facts_of(run.study.train_split).front();
    return run.model->with_projections(edited_weights(*run.model, run.batch_edit(set.keys[fact])->deltas));
  }

  /// The facts of a split that are edited, ready for training.
  std::vector<MaskFact> mask_facts(RunContext const& run, std::string const& split) const {
    std::vector<MaskFact> facts;
    for (auto const& [index, edit] : edits_of(run, set_, run.plan.facts_of(split))) {
      if (!edit.failure.empty()) continue;
      facts.push_back(make_mask_fact(run.tokenizer, run.plan.facts[index].fact, edit, run.study.peer_compatible,
                                     run.model->config().positions));
    }
    return facts;
  }

  std::size_t set_;
  std::vector<int> layers_;
  std::unique_ptr<CausalLM> edited_;  ///< none where every fact has an edit of its own
  std::optional<TrainingSet> facts_;
};

/// Ranks of a group that trains one mask.
int group_size(RunContext const& run, std::size_t masks) {
  auto const world = run.world.size();
  auto const asked = run.study.ranks_per_mask;
  return asked > 0 ? asked : std::max(1, world / std::max(1, static_cast<int>(masks)));
}

}  // namespace

void mask_stage(RunContext& run) {
  std::vector<TaskItem> items;
  for (auto const& mask : run.plan.masks) items.push_back({"mask/" + mask.name, {mask.key}});
  auto const pending = pending_tasks(run, items);
  auto const ranks = group_size(run, pending.size());
  auto const groups = run.world.size() / ranks;
  auto const mine = std::min(run.world.rank() / ranks, groups);  // ranks beyond the last whole group are left over
  auto const group = run.world.split(mine, run.world.rank());
  bool const leads = group.rank() == 0 && mine < groups;
  auto const leaders = run.world.split(leads ? 0 : 1, run.world.rank());
  record_stage(run, "masks", items.size(), items.size() - pending.size(), [&] {
    agree(run.world, [&] {
      if (mine == groups || pending.empty()) return;
      try {
        std::optional<TaskQueue> queue;
        std::optional<Progress> progress;
        if (leads) queue.emplace(leaders, pending.size());
        if (run.is_root()) {
          auto const rounds = (pending.size() + static_cast<std::size_t>(groups) - 1) / static_cast<std::size_t>(groups);
          progress.emplace("training masks", "epochs of this group",
                           rounds * static_cast<std::size_t>(run.plan.masks.front().options.epochs));
        }
        std::optional<Trainee> trainee;
        for (;;) {
          std::string choice;
          if (leads) {
            if (auto const next = queue->next()) choice = std::to_string(pending[*next]);
          }
          choice = group.broadcast(choice, 0);
          if (choice.empty()) break;
          auto const index = std::stoul(choice);
          auto const& task = run.plan.masks[index];
          if (!trainee || !trainee->is(task.set, task.options.layers)) trainee.emplace(run, task.set, task.options.layers);
          bool finished = true;
          auto const work = [&] { finished = train(run, task, trainee->facts(), group, progress ? &*progress : nullptr); };
          if (leads) {
            run_task(run, items[index], [&] {
              work();
              if (!finished)
                throw Interrupted("A signal stopped the training of the mask '" + task.name +
                                  "'; it goes on from its checkpoint.");
            });
          } else {
            work();
          }
          if (!finished) break;
        }
      } catch (Interrupted const&) {
        throw;
      } catch (std::exception const& e) {
        if (group.size() == 1) throw;
        // The others of this group may be waiting for this rank's gradient; only the end of the run frees them.
        log_error("Training a mask failed on rank " + std::to_string(run.world.rank()) + ": " + e.what());
        run.environment.abort_world(dynamic_cast<UserError const*>(&e) != nullptr ? 2 : 1);
      }
    });
  });
  stop_if_interrupted(run);
}

}  // namespace onemask
