#include "work/masked_model.hpp"
#include "work/memory_setting.hpp"
#include "work/planned_masks.hpp"
#include "work/stored_results.hpp"
#include "work/task_work.hpp"
#include <onemask/analysis/model_analysis.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/random.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace onemask {
namespace {

/// Facts that share what they are looked at in: edited models of their own, or one model.
struct AnalysedGroup {
  std::string edited;  ///< object of the model that they share; empty: each has its own
  FactAnalyser analyser;
  at::Tensor left, right;  ///< edits of facts with models of their own, [facts, rank, …]; zeros of those whose edit failed
  at::Tensor failed;       ///< [facts] bool; undefined: none
  std::optional<PassRecord> record_of_edited = {};
};

/// A model that a group is looked at in, and what keeps it alive.
struct HeldModel {
  std::unique_ptr<CausalLM> own;  ///< where facts share one
  EditedProjection change;
  bool edited = true;
};

class AnalysisWork : public TaskWork {
 public:
  explicit AnalysisWork(WorkContext const& context)
      : run_(context), results_(context.objects, context.plan), masks_(context, results_) {}

  bool run(PlannedTask planned, TaskContext const&) override {
    auto const& task = run_.plan.analyses[planned.index];
    with_memory_set_by("evaluation.batch", [&] {
      prepare(task);
      run_.objects.put(task.key, to_bytes(analysed(task)));
    });
    return true;
  }

 private:
  void prepare(AnalysisTask const& task) {
    if (!groups_.empty() && set_ == task.set && facts_ == task.facts) return;
    groups_.clear();
    set_ = task.set, facts_ = task.facts;
    auto const& set = run_.plan.sets[set_];
    auto const edits = results_.edits_of(set_, facts_);
    for (std::size_t first = 0, last = 0; first < facts_.size(); first = last) {
      auto const& key = set.keys[facts_[first]];
      while (last < facts_.size() && (!set.in_batches || set.keys[facts_[last]] == key)) ++last;
      add_group(set.in_batches ? key : std::string(), edits, first, last);
    }
  }

  void add_group(std::string const& key, std::vector<std::pair<std::size_t, Edit>> const& edits, std::size_t first,
                 std::size_t last) {
    auto const& config = run_.model.config();
    std::vector<SubjectPrompt> prompts;
    std::vector<at::Tensor> lefts, rights;
    auto const failed = at::zeros({static_cast<std::int64_t>(last - first)}, at::kBool);
    for (auto i = first; i < last; ++i) {
      auto const& [fact, edit] = edits[i];
      prompts.push_back(make_subject_prompt(run_.tokenizer, run_.plan.facts[fact].fact, run_.study.peer_compatible, config.family,
                                            config.positions));
      bool const is_edited = edit.failure.empty();
      if (!is_edited) failed[static_cast<std::int64_t>(i - first)] = true;
      if (!key.empty()) continue;
      lefts.push_back(is_edited ? edit.left : at::zeros({1, config.hidden}));
      rights.push_back(is_edited ? edit.right : at::zeros({1, config.inner}));
    }
    auto const& layers = run_.plan.sets[set_].options.hparams.layers;
    auto const of_device = [&](std::vector<at::Tensor> const& factors) {
      return factors.empty() ? at::Tensor() : stacked_factors(factors).to(run_.model.device());
    };
    bool const any = failed.any().item<bool>();
    groups_.push_back({key, FactAnalyser(run_.model, prompts, layers, *run_.study.analysis, run_.study.peer_compatible),
                       of_device(lefts), of_device(rights), any ? failed : at::Tensor()});
  }

  HeldModel model_of(AnalysedGroup const& group, ConditionKind kind, AnalysisTask const& task, at::Tensor const& keep) {
    HeldModel held;
    held.edited = is_edited(kind);
    bool const masked = kind == ConditionKind::mask || kind == ConditionKind::original_masked;
    if (group.edited.empty()) {
      if (held.edited) held.change.left = group.left, held.change.right = group.right;
      if (masked) held.change.mask = keep.to(run_.model.device(), run_.model.dtype());
      return held;
    }
    auto const edit = held.edited ? results_.batch_edit(group.edited) : nullptr;
    held.own =
        masked ? masked_model(run_.model, edit.get(), run_.plan.masks[static_cast<std::size_t>(task.mask)].options.layers, keep)
               : masked_model(run_.model, edit.get(), {}, {});
    return held;
  }

  RecordedModel recorded(HeldModel const& held) const { return {held.own ? *held.own : run_.model, held.change}; }

  AnalysisResult analysed(AnalysisTask const& task) {
    at::Tensor keep;
    if (task.mask >= 0) keep = masks_.mask(PlannedCondition{"", ConditionKind::mask, task.set, task.mask});
    auto const tracks = task.mask >= 0 ? tracks_of(task, keep) : DimensionTracks();
    std::vector<AnalysisResult> parts;
    for (auto& group : groups_) parts.push_back(of_group(group, task, keep, tracks));
    auto result = joined(parts);
    for (auto const& model : result.models) {
      invariant(!model.contributions.defined() || model.contributions.size(0) == std::ssize(task.facts), "of ", task.facts.size(),
                " facts, ", model.contributions.size(0), " are analysed");
    }
    return result;
  }

  AnalysisResult of_group(AnalysedGroup& group, AnalysisTask const& task, at::Tensor const& keep, DimensionTracks const& tracks) {
    AnalysisResult result;
    std::map<ConditionKind, at::Tensor> values;
    auto const track = [&](ConditionKind kind, PassRecord const& record) {
      if (!tracks.dimensions.empty())
        values[kind] = group.analyser.tracks(record, tracks.dimensions, is_edited(kind) ? group.failed : at::Tensor());
    };
    for (auto const kind : task.models()) {
      auto const held = model_of(group, kind, task, keep);
      auto const record = kind == ConditionKind::original ? group.analyser.original() : group.analyser.record(recorded(held));
      result.models.push_back(group.analyser.analyse(recorded(held), record, held.edited ? group.failed : at::Tensor()));
      track(kind, record);
      if (kind == ConditionKind::edited && tracks_dimensions()) group.record_of_edited = record;
    }
    if (tracks.dimensions.empty()) return result;
    track(ConditionKind::original, group.analyser.original());
    if (!group.record_of_edited)
      group.record_of_edited = group.analyser.record(recorded(model_of(group, ConditionKind::edited, task, keep)));
    track(ConditionKind::edited, *group.record_of_edited);
    std::vector<at::Tensor> in_order;
    for (auto const kind : AnalysisTask::tracked_models()) in_order.push_back(values.at(kind));
    result.tracks = tracks;
    result.tracks.values = at::stack(in_order);
    return result;
  }

  bool tracks_dimensions() const { return run_.study.analysis->dimensions > 0 && !run_.plan.masks.empty(); }

  /// The dimensions whose rows have most zeros, of equal ones those of lower index, and as many of the others at random.
  DimensionTracks tracks_of(AnalysisTask const& task, at::Tensor const& keep) const {
    DimensionTracks tracks;
    auto const out = run_.plan.out;
    auto const count = std::min<std::int64_t>(run_.study.analysis->dimensions, out / 2);
    if (count == 0) return tracks;
    auto const zeros = keep.view({-1, out, run_.plan.in}).logical_not().to(at::kDouble).mean(2).mean(0).contiguous();
    auto const order = std::get<1>(zeros.sort(/*stable=*/true, 0, /*descending=*/true)).contiguous();
    auto const* by_zeros = order.data_ptr<std::int64_t>();
    tracks.dimensions.assign(by_zeros, by_zeros + count);
    auto const seed = run_.plan.masks[static_cast<std::size_t>(task.mask)].seed;
    auto const random = RandomStream({stream::analysed_dimensions, seed}).permutation(static_cast<std::size_t>(out));
    for (auto const dimension : random) {
      if (std::ssize(tracks.dimensions) == 2 * count) break;
      auto const end = tracks.dimensions.begin() + count;
      if (std::find(tracks.dimensions.begin(), end, static_cast<std::int64_t>(dimension)) == end)
        tracks.dimensions.push_back(static_cast<std::int64_t>(dimension));
    }
    for (auto const dimension : tracks.dimensions) tracks.zeros.push_back(zeros[dimension].item<double>());
    return tracks;
  }

  WorkContext const& run_;
  StoredResults results_;
  PlannedMasks masks_;
  std::size_t set_ = 0;
  std::vector<std::size_t> facts_;
  std::vector<AnalysedGroup> groups_;  ///< of the facts `facts_` of the set `set_`
};

}  // namespace

std::unique_ptr<TaskWork> make_analysis_work(WorkContext const& context) {
  return std::make_unique<AnalysisWork>(context);
}

}  // namespace onemask
