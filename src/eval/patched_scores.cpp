#include "eval/patched_scores.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace onemask {
namespace {

/// The models that patches speak of, each made once.
class PatchModels {
 public:
  PatchModels(CausalLM const& model, at::Tensor const& left, at::Tensor const& right)
      : model_(model), left_(left), right_(right) {}

  /// Place among `models` of what a condition calls so.
  std::size_t place_of(ConditionKind kind, Condition const& condition) {
    bool const masked = kind == ConditionKind::mask;
    auto const found = std::find_if(known_.begin(), known_.end(), [&](auto const& known) {
      return known.kind == kind && (!masked || (known.cover == condition.cover && at::equal(known.keep, condition.keep)));
    });
    if (found != known_.end()) return static_cast<std::size_t>(found - known_.begin());
    known_.push_back({kind, condition.cover, masked ? condition.keep : at::Tensor(), nullptr});
    BatchModel model;
    if (kind != ConditionKind::original && condition.shared_of) {
      known_.back().shared = condition.shared_of(kind);
      model.model = known_.back().shared.get();
    } else if (kind != ConditionKind::original) {
      model.change = {left_, right_, masked ? condition.keep.to(model_.device(), model_.dtype()) : at::Tensor(),
                      condition.cover != Cover::delta, condition.cover != Cover::weight};
    }
    models_.push_back(std::move(model));
    return known_.size() - 1;
  }
  std::vector<BatchModel> const& models() const { return models_; }

 private:
  struct Known {
    ConditionKind kind;
    Cover cover;      // of the mask, as the next
    at::Tensor keep;  // as the condition has it
    std::unique_ptr<CausalLM> shared;
  };

  CausalLM const& model_;
  at::Tensor left_, right_;
  std::vector<Known> known_;
  std::vector<BatchModel> models_;
};

}  // namespace

void score_patched(CausalLM const& model, TwoWayBatch const& prompts, at::Tensor const& left, at::Tensor const& right,
                   std::vector<Condition> const& conditions,
                   std::function<void(std::size_t, TwoWayBatch::Scores const&)> const& take) {
  PatchModels models(model, left, right);
  std::vector<std::size_t> places;
  std::vector<PatchedModel> patched;
  for (std::size_t c = 0; c < conditions.size(); ++c) {
    auto const& patch = conditions[c].patch;
    if (!patch) continue;
    places.push_back(c);
    patched.push_back({models.place_of(patch->model, conditions[c]), models.place_of(patch->attention, conditions[c]),
                       patch->at != PatchPlace::all, patch->at == PatchPlace::subject});
  }
  if (patched.empty()) return;
  prompts.score_patched(models.models(), patched,
                        [&](std::size_t place, TwoWayBatch::Scores const& scores) { take(places[place], scores); });
}

}  // namespace onemask
