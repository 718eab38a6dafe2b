#include <onemask/analysis/causal_trace.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/model/head_loss.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include <c10/core/GradMode.h>

namespace onemask {
namespace {

/// lo, lo + 1, …, end - 1
std::vector<std::int64_t> numbers_from(std::int64_t first, std::int64_t end) {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(end - first));
  std::iota(numbers.begin(), numbers.end(), first);
  return numbers;
}

/// log P of a token at each place, float64.
at::Tensor log_probability_of(CausalLM const& model, at::Tensor const& hidden, at::Tensor const& tokens) {
  return log_probabilities(model, model.final_norm(hidden)).gather(1, tokens.unsqueeze(1)).squeeze(1).to(at::kDouble);
}

}  // namespace

LayerWindow window_around(int layer, TraceKind kind, int width, int layers) {
  if (kind == TraceKind::state) return {layer, layer + 1};
  return {std::max(0, layer - width / 2), std::min(layers, layer + (width + 1) / 2)};
}

/// Runs that are computed together: each holds its tokens from the restored one on.
struct CausalTrace::Batch {
  Pass pass;
  Wanted last;                  ///< the last token of each run
  at::Tensor tokens;            ///< of the pack of whole rows
  at::Tensor first;             ///< [runs], of this batch: the restored tokens
  at::Tensor corrupted, clean;  ///< [runs], the same in the pack of whole rows, in the corrupted row and in the clean one
  at::Tensor clean_alone;       ///< [runs], the latter among clean tokens
  at::Tensor answer;            ///< [runs] token of the vocabulary whose probability is wanted
};

CausalTrace::CausalTrace(CausalLM const& model, std::vector<TracePrompt> prompts, TraceNoise const& noise)
    : model_(model), layers_(static_cast<int>(model.config().layers)), prompts_(std::move(prompts)), noise_(noise) {
  invariant(!prompts_.empty() && noise_.samples > 0, prompts_.size(), " facts are traced in ", noise_.samples, " samples");
  c10::NoGradGuard const no_gradients;
  std::vector<std::vector<std::int64_t>> rows;
  std::vector<std::int64_t> clean;  // tokens
  std::int64_t begin = 0;
  for (auto const& prompt : prompts_) {
    auto ids = prompt.ids;
    ids.insert(ids.end(), prompt.object.begin(), prompt.object.end() - 1);
    clean_from_.push_back(std::ssize(clean));
    auto const tokens = numbers_from(begin, begin + std::ssize(ids));
    clean.insert(clean.end(), tokens.begin(), tokens.end());
    for (int sample = -1; sample < noise_.samples; ++sample) {
      rows.push_back(ids);
      begins_.push_back(begin);
      begin += std::ssize(ids);
    }
  }
  run_whole(pack_rows(rows, model_.device()), clean);
}

void CausalTrace::add_noise(TokenRows const& packed, at::Tensor& stream) const {
  std::vector<std::int64_t> corrupted;
  std::vector<at::Tensor> noise;
  for (std::size_t fact = 0; fact < prompts_.size(); ++fact) {
    auto const& prompt = prompts_[fact];
    for (int sample = 0; sample < noise_.samples; ++sample) {
      auto const begin = begins_[static_cast<std::size_t>(row_of(fact, sample))];
      for (auto token = prompt.subject; token < prompt.after; ++token) corrupted.push_back(begin + token);
      noise.push_back(subject_noise(noise_, prompt, sample, model_.config().hidden));
    }
  }
  invariant(packed.layout.rows() == std::ssize(begins_), packed.layout.rows(), " rows of ", begins_.size(), " are corrupted");
  stream = stream.index_add(0, index_tensor(corrupted, model_.device()), at::cat(noise).to(model_.device(), model_.dtype()));
}

at::Tensor CausalTrace::mlp_of(int layer, at::Tensor const& key) const {
  return model_.mlp_output(layer, project(model_.projection(layer), key));
}

/// Runs all rows through all layers, and keeps what runs that restore something begin with.
void CausalTrace::run_whole(TokenRows const& packed, std::vector<std::int64_t> const& clean) {
  Pass const pass(model_, packed.layout);
  auto const clean_tokens = index_tensor(clean, model_.device());
  auto stream = pass.embed(packed.ids);
  add_noise(packed, stream);
  streams_.push_back(stream);
  for (int layer = 0; layer < layers_; ++layer) {
    auto half = pass.halfway(layer, stream, &seen_.emplace_back());
    auto const added = mlp_of(layer, half.key);
    stream = half.residual + added;
    attention_.push_back(half.attention.index_select(0, clean_tokens));
    mlp_.push_back(added.index_select(0, clean_tokens));
    halves_.push_back(std::move(half.residual));
    streams_.push_back(stream);
  }
  read_objects(pass);
}

/// The probabilities where nothing is restored.
void CausalTrace::read_objects(Pass const& pass) {
  std::vector<std::int64_t> places, tokens;
  for (std::size_t row = 0; row < begins_.size(); ++row) {
    auto const& prompt = prompts_[row / static_cast<std::size_t>(noise_.samples + 1)];
    for (std::int64_t k = 0; k < std::ssize(prompt.object); ++k) {
      places.push_back(begins_[row] + std::ssize(prompt.ids) - 1 + k);
      tokens.push_back(prompt.object[static_cast<std::size_t>(k)]);
    }
  }
  auto place = index_tensor(places, at::kCPU), token = index_tensor(tokens, at::kCPU);
  IndexMove().add(place).add(token).to(model_.device());
  invariant(pass.layout().tokens == streams_.back().size(0), "a pack of ", pass.layout().tokens, " tokens has ",
            streams_.back().size(0), " states");
  auto const read = log_probability_of(model_, streams_.back().index_select(0, place), token).to(at::kCPU);
  auto const* next = read.data_ptr<double>();
  for (auto const& prompt : prompts_) {
    FactTrace trace{.deviation = noise_.deviation, .restored = {}};
    for (int sample = -1; sample < noise_.samples; ++sample) {
      auto const object = std::exp(std::accumulate(next, next + std::ssize(prompt.object), 0.0));
      (sample < 0 ? trace.clean : trace.corrupted) += std::exp(*next) / (sample < 0 ? 1 : noise_.samples);
      (sample < 0 ? trace.object_clean : trace.object_corrupted) += object / (sample < 0 ? 1 : noise_.samples);
      next += std::ssize(prompt.object);
    }
    unrestored_.push_back(trace);
  }
}

CausalTrace::Batch CausalTrace::batch_of(std::vector<Run> const& runs) const {
  std::vector<std::vector<std::int64_t>> positions, past;
  std::vector<std::int64_t> tokens, first, corrupted, clean, clean_alone, answer;
  for (auto const& [fact, token, sample] : runs) {
    auto const& prompt = prompts_[fact];
    auto const begin = begins_[static_cast<std::size_t>(row_of(fact, sample))], end = begin + std::ssize(prompt.ids);
    first.push_back(std::ssize(tokens));
    corrupted.push_back(begin + token);
    clean.push_back(begins_[static_cast<std::size_t>(row_of(fact, -1))] + token);
    clean_alone.push_back(clean_from_[fact] + token);
    answer.push_back(prompt.object.front());
    positions.push_back(numbers_from(token, std::ssize(prompt.ids)));
    past.push_back(numbers_from(begin, begin + token));
    auto const own = numbers_from(begin + token, end);
    tokens.insert(tokens.end(), own.begin(), own.end());
  }
  auto layout = make_layout(positions, at::kCPU);
  auto last = want(layout, std::vector<std::vector<std::int64_t>>(runs.size(), {-1}));
  std::vector<at::Tensor> indices;
  for (auto const* of : {&tokens, &first, &corrupted, &clean, &clean_alone, &answer})
    indices.push_back(index_tensor(*of, at::kCPU));
  IndexMove move;
  move.add(layout).add(last.layout).add(last.tokens);
  for (auto& index : indices) move.add(index);
  move.to(model_.device());
  // A run begins behind its first restored layer, so the lowest has no past.
  return {Pass(model_, layout, make_past(seen_, 1, past, model_.device())),
          std::move(last),
          indices[0],
          indices[1],
          indices[2],
          indices[3],
          indices[4],
          indices[5]};
}

/// The residual stream behind `layer`, where that is the lowest restored one: only the restored token differs from the corrupted
/// run.
at::Tensor CausalTrace::start_of(Batch const& batch, TraceKind kind, int layer) const {
  auto const place = static_cast<std::size_t>(layer);
  auto const restored = [&] {
    if (kind == TraceKind::state) return streams_[place + 1].index_select(0, batch.clean);
    if (kind == TraceKind::mlp)
      return halves_[place].index_select(0, batch.corrupted) + mlp_[place].index_select(0, batch.clean_alone);
    auto const before = streams_[place].index_select(0, batch.corrupted);
    auto const after = before + attention_[place].index_select(0, batch.clean_alone);
    return after + mlp_of(layer, model_.mlp_key(layer, before, after));
  };
  return streams_[place + 1].index_select(0, batch.tokens).index_copy_(0, batch.first, restored());
}

/// A layer in which MLP or attention is restored as well.
at::Tensor CausalTrace::step(Batch const& batch, TraceKind kind, int layer, at::Tensor const& stream) const {
  auto const place = static_cast<std::size_t>(layer);
  auto half = batch.pass.halfway(layer, stream);
  if (kind == TraceKind::attention) {
    auto const before = stream.index_select(0, batch.first);
    auto const after = before + attention_[place].index_select(0, batch.clean_alone);
    half.residual.index_copy_(0, batch.first, after);
    half.key.index_copy_(0, batch.first, model_.mlp_key(layer, before, after));
  }
  auto added = mlp_of(layer, half.key);
  if (kind == TraceKind::mlp) added.index_copy_(0, batch.first, mlp_[place].index_select(0, batch.clean_alone));
  return half.residual + added;
}

/// [runs] float64, from the stream before layer `first` on.
at::Tensor CausalTrace::probabilities(Batch const& batch, int first, at::Tensor const& stream) const {
  auto const hidden = batch.pass.run(first, layers_ - 1, stream, batch.last.layout, batch.last.tokens);
  return log_probability_of(model_, hidden, batch.answer).exp();
}

/// [windows, runs] float64 on the host. Windows that begin alike share what lies in the shorter ones.
at::Tensor CausalTrace::restored(Batch const& batch, TraceKind kind, std::vector<LayerWindow> const& windows) const {
  std::vector<at::Tensor> found(windows.size());
  for (std::size_t begin = 0, end = 0; begin < windows.size(); begin = end) {
    auto layer = windows[begin].first;
    auto stream = start_of(batch, kind, layer);
    for (; end < windows.size() && windows[end].first == windows[begin].first; ++end) {
      while (layer + 1 < windows[end].end) stream = step(batch, kind, ++layer, stream);
      found[end] = probabilities(batch, layer + 1, stream);
    }
  }
  return at::stack(found).to(at::kCPU);
}

std::vector<FactTrace> CausalTrace::trace(TraceKind kind, int width, std::int64_t rows) const {
  c10::NoGradGuard const no_gradients;
  invariant(width > 0 && rows > 0, "windows of ", width, " layers are restored in ", rows, " runs at once");
  std::vector<LayerWindow> windows;    // ascending
  std::vector<std::size_t> window_of;  // by layer
  for (int layer = 0; layer < layers_; ++layer) {
    auto const window = window_around(layer, kind, width, layers_);
    if (windows.empty() || !(windows.back() == window)) windows.push_back(window);
    window_of.push_back(windows.size() - 1);
  }
  std::vector<Run> runs;
  for (std::size_t fact = 0; fact < prompts_.size(); ++fact) {
    for (auto token = prompts_[fact].subject; token < std::ssize(prompts_[fact].ids); ++token) {
      for (int sample = 0; sample < noise_.samples; ++sample) runs.push_back({fact, token, sample});
    }
  }
  constexpr auto places = trace_place_names.size();
  auto const layers = static_cast<std::size_t>(layers_);
  auto traces = unrestored_;
  for (auto& trace : traces) trace.restored.assign(places * layers, 0);
  std::vector<std::vector<double>> counts(traces.size(), std::vector<double>(places));
  for (std::size_t begin = 0; begin < runs.size(); begin += static_cast<std::size_t>(rows)) {
    auto const end = std::min(runs.size(), begin + static_cast<std::size_t>(rows));
    std::vector<Run> const some(runs.begin() + static_cast<std::ptrdiff_t>(begin),
                                runs.begin() + static_cast<std::ptrdiff_t>(end));
    auto const found = restored(batch_of(some), kind, windows);
    auto const values = found.accessor<double, 2>();
    for (std::size_t r = 0; r < some.size(); ++r) {
      auto const place = static_cast<std::size_t>(prompts_[some[r].fact].place_of(some[r].token));
      ++counts[some[r].fact][place];
      for (std::size_t layer = 0; layer < layers; ++layer) {
        traces[some[r].fact].restored[place * layers + layer] +=
            values[static_cast<std::int64_t>(window_of[layer])][static_cast<std::int64_t>(r)];
      }
    }
  }
  for (std::size_t fact = 0; fact < traces.size(); ++fact) {
    for (std::size_t i = 0; i < places * layers; ++i) traces[fact].restored[i] /= counts[fact][i / layers];  // NaN of no token
  }
  return traces;
}

}  // namespace onemask
