#include <onemask/model/two_way.hpp>

#include <utility>

#include <c10/core/GradMode.h>

namespace onemask {
namespace {

/// Rows of probabilities with the one at `place` set to that of `other`, and the rest multiplied by one number so that each row
/// adds up to 1 again; where it alone was 1, the rest is 0 and stays so. All are [rows, heads, width, keys]; `place` [rows]
/// int64.
at::Tensor with_entry(at::Tensor const& own, at::Tensor const& other, at::Tensor const& place) {
  constexpr double least = 1e-9;
  auto const index = place.clamp_min(0).view({-1, 1, 1, 1}).expand({own.size(0), own.size(1), own.size(2), 1});
  auto const wide = own.to(at::kFloat);
  auto const after = other.gather(3, index).to(at::kFloat), before = wide.gather(3, index);
  auto const factor = (1 - after).clamp_min(least) / (1 - before).clamp_min(least);
  return (wide * factor).scatter(3, index, after).to(own.scalar_type());
}

/// A model on its way through the layers.
struct Stream {
  CausalLM const* model;
  Pass pass;
  at::Tensor residual;  ///< [tokens, hidden]; behind the last layer [places, hidden]
};

}  // namespace

/// What the patched model attends with in a layer, where `probabilities` are the models' own.
at::Tensor TwoWayBatch::patched_attention(PatchedModel const& patched, std::vector<at::Tensor> const& probabilities,
                                          Layout const& queries) const {
  auto const& other = probabilities[patched.attention];
  if (!patched.last_query && !patched.subject) return other;
  auto const& own = probabilities[patched.model];
  auto of_query = queries.padded_positions.eq(last_.unsqueeze(1));
  if (patched.subject) of_query = of_query.logical_and(subject_.ge(0).unsqueeze(1));
  return at::where(of_query.unsqueeze(1).unsqueeze(3), patched.subject ? with_entry(own, other, subject_) : other, own);
}

void TwoWayBatch::score_patched(std::vector<BatchModel> const& models, std::vector<PatchedModel> const& patched,
                                std::function<void(std::size_t, Scores)> const& take) const {
  c10::NoGradGuard const no_gradients;
  auto const stream_of = [&](BatchModel const& of) {
    auto const& model = of.model != nullptr ? *of.model : model_;
    Pass pass(model, rows_.layout);
    auto residual = pass.finish_with(layer_, rows_.half, projected(of.change, model));
    return Stream{&model, std::move(pass), std::move(residual)};
  };
  std::vector<Stream> own, streams;
  for (auto const& model : models) own.push_back(stream_of(model));
  std::vector<bool> attends(models.size());  // whose own attention somebody asks for
  for (auto const& one : patched) {
    auto const& [model, pass, residual] = own.at(one.model);
    streams.push_back({model, pass, residual});
    attends.at(one.attention) = true;
    if (one.last_query || one.subject) attends[one.model] = true;
  }
  auto const last = static_cast<int>(model_.config().layers) - 1;
  for (int layer = layer_ + 1; layer <= last; ++layer) {
    Wanted const* const wanted = layer == last ? &read_ : nullptr;
    std::vector<at::Tensor> probabilities(models.size());
    for (std::size_t m = 0; m < models.size(); ++m) {
      auto& [model, pass, residual] = own[m];
      if (!attends[m]) continue;
      if (wanted != nullptr) {
        probabilities[m] = pass.attention(layer, residual, wanted);
      } else {
        residual = pass.finish(layer, pass.halfway(layer, residual, nullptr, &probabilities[m]));
      }
    }
    for (std::size_t i = 0; i < patched.size(); ++i) {
      auto& [model, pass, residual] = streams[i];
      auto const attention = patched_attention(patched[i], probabilities, wanted != nullptr ? wanted->layout : rows_.layout);
      residual = pass.finish(layer, pass.halfway_with(layer, residual, attention, wanted));
    }
  }
  for (std::size_t i = 0; i < patched.size(); ++i) {
    auto const& [model, pass, residual] = streams[i];
    take(i, scores_of(distributions(layer_ < last ? residual : residual.index_select(0, read_.tokens), *model)));
  }
}

}  // namespace onemask
