#pragma once

#include "support/tiny_families.hpp"
#include <onemask/analysis/pass_recorder.hpp>

#include <memory>
#include <string>
#include <vector>

namespace onemask::test {

/// A tiny model of a family with three prompts, an edit of layer 1 for each and a mask.
struct AnalysedTiny {
  static constexpr int layer = 1;

  std::unique_ptr<CausalLM> model;
  std::vector<SubjectPrompt> prompts;
  EditedProjection edited, masked;
  at::Tensor keep;  ///< [out, in] 0 or 1

  explicit AnalysedTiny(std::string const& family) : model(tiny_family(family).load()) {
    for (std::uint64_t p = 0; p < 3; ++p) {
      auto const ids = random_ids(5 + 2 * p, p + 1);
      auto const objects = random_ids(2, p + 11);
      // The last prompt ends with its subject.
      auto const last = p == 2 ? std::ssize(ids) - 1 : std::ptrdiff_t{3};
      prompts.push_back({ids, 2, last, {objects[0], objects[1]}, {objects[0], objects[1]}});
    }
    auto const out = model->config().hidden, in = model->config().inner;
    edited.left = random_tensor({3, 2, out}, 21);
    edited.right = random_tensor({3, 2, in}, 22);
    keep = random_tensor({out, in}, 23).gt(-0.5).to(at::kFloat);
    masked = edited;
    masked.mask = keep;
  }

  /// The whole prompt `p` under the changed matrix, dense and by itself: residual streams before layer 0, after it, …,
  /// [tokens, hidden].
  std::vector<at::Tensor> streams(std::size_t p, EditedProjection const& change) const {
    auto weight = model->projection(layer).weight;
    auto const e = static_cast<std::int64_t>(p);
    if (change.left.defined()) weight = weight + at::matmul(change.left[e].t(), change.right[e]);
    if (change.mask.defined()) weight = weight * change.mask;
    auto const changed = model->with_projections({{layer, weight}});
    auto const packed = pack_rows({prompts[p].ids}, at::kCPU);
    Pass const pass(*changed, packed.layout);
    std::vector<at::Tensor> streams{pass.embed(packed.ids)};
    for (int l = 0; l < 3; ++l) streams.push_back(pass.run(l, l, streams.back()));
    return streams;
  }
};

}  // namespace onemask::test
