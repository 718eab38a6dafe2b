#include "moments/moment_run.hpp"

#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/comm/agree.hpp>
#include <onemask/compute/computing.hpp>
#include <onemask/compute/reducer.hpp>
#include <onemask/core/checkpoint_file.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/log.hpp>
#include <onemask/core/progress.hpp>
#include <onemask/core/text.hpp>
#include <onemask/moments/second_moment.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

/// Tokens that run through the model at once, unless one segment has more; cut by the corpus alone, as they decide bits.
constexpr std::int64_t tokens_at_once = 2048;
/// Tokens that the steps of the sums are chosen by.
constexpr std::size_t sample_tokens = 256;

/// A layer's moment in the making. Rank 0's sum is of all sections so far; the other ranks' sums are of the present section.
struct LayerWork {
  int layer;
  std::string key;
  CheckpointFile file;
  std::optional<MomentSum> sum = {};
  std::size_t sections_done = 0;
  at::Tensor mark = {};                        ///< rank 0: the mean when a section with a mark ended last
  std::vector<MomentChange> convergence = {};  ///< rank 0
  std::string made_by = {};                    ///< by those who worked on it so far
};

std::string to_bytes(LayerWork const& work) {
  auto convergence = nlohmann::json::array();
  for (auto const& entry : work.convergence) convergence.push_back({entry.tokens, entry.change});
  nlohmann::json const facts{{"sections", work.sections_done},
                             {"exponent", work.sum->exponent()},
                             {"bound", work.sum->bound()},
                             {"convergence", convergence},
                             {"made_by", work.made_by}};
  std::map<std::string, at::Tensor> tensors{{"sum", work.sum->integers()}};
  if (work.mark.defined()) tensors["mark"] = work.mark;
  return write_safetensors(tensors, {{"moment", facts.dump()}});
}

void restore(LayerWork& work, std::string bytes, std::int64_t inner, at::Device device) {
  auto const file = SafetensorsFile::parse(std::move(bytes), work.file.name());
  auto const matrix = [&](char const* name, at::ScalarType type) {
    auto const tensor = file.tensor(name);
    if (tensor.scalar_type() != type || tensor.sizes() != at::IntArrayRef{inner, inner}) {
      throw UserError(file.names().front() + " has an unexpected type or size");
    }
    return tensor;
  };
  auto const facts = nlohmann::json::parse(file.metadata().at("moment"));
  MomentSum sum(inner, facts.at("exponent").get<int>(), device);
  sum.integers().copy_(matrix("sum", at::kLong));
  sum.set_bound(facts.at("bound").get<std::int64_t>());
  std::vector<MomentChange> convergence;
  for (auto const& entry : facts.at("convergence")) {
    convergence.push_back({entry.at(0).get<std::int64_t>(), entry.at(1).get<double>()});
  }
  auto const mark = file.contains("mark") ? matrix("mark", at::kFloat).clone() : at::Tensor();
  auto const sections_done = facts.at("sections").get<std::size_t>();
  work.sum = std::move(sum);
  work.mark = mark;
  work.convergence = std::move(convergence);
  work.sections_done = sections_done;
  work.made_by = facts.value("made_by", "");
}

/// Rank 0 takes up what a killed run left.
void read_checkpoint(LayerWork& work, std::size_t sections, std::int64_t inner, at::Device device) {
  auto bytes = work.file.read();
  if (!bytes) return;
  try {
    restore(work, std::move(*bytes), inner, device);
    if (work.sections_done >= sections) throw UserError("it has more sections than the corpus");
    log_info(
        fmt::format("second moment of layer {}: continues after section {} of {}", work.layer, work.sections_done, sections));
  } catch (std::exception const& e) {
    log_warning(fmt::format("The checkpoint {} cannot be used ({}); layer {} starts from the beginning.", work.file.name(),
                            e.what(), work.layer));
    work = {work.layer, work.key, work.file};
  }
}

/// Exponents for `layers` from the first tokens of the corpus, which this rank has.
std::map<int, int> choose_exponents(CausalLM const& model, Segment const& first, std::vector<int> const& layers) {
  auto const count = std::min(first.ids.size(), sample_tokens);
  auto const rows = pack_rows({{first.ids.begin(), first.ids.begin() + static_cast<std::ptrdiff_t>(count)}}, model.device());
  std::map<int, int> exponents;
  visit_keys(model, rows, layers, [&](int layer, at::Tensor const& keys) {
    try {
      exponents[layer] = MomentSum::suitable_exponent(keys);
    } catch (RunError const& e) {
      throw RunError(fmt::format("Layer {}, at the beginning of the corpus: {}", layer, e.what()));
    }
  });
  return exponents;
}

/// All ranks take up where rank 0's checkpoints end, with the same steps.
void begin(MomentRun const& run, CorpusShare const& share, std::size_t sections, std::vector<LayerWork>& works) {
  auto const& world = run.world;
  auto const inner = run.model.config().inner;
  auto const device = run.model.device();
  nlohmann::json state;
  agree(world, [&] {
    if (world.rank() != 0) return;
    for (auto& work : works) {
      read_checkpoint(work, sections, inner, device);
      state.push_back({work.sections_done, work.sum ? nlohmann::json(work.sum->exponent()) : nlohmann::json()});
    }
  });
  state = nlohmann::json::parse(world.broadcast(state.dump(), 0));

  std::vector<int> fresh;
  for (std::size_t i = 0; i < works.size(); ++i) {
    if (state[i][1].is_null()) fresh.push_back(works[i].layer);
  }
  auto const& counts = share.unit_tokens;
  auto const start =
      static_cast<std::size_t>(std::find_if(counts.begin(), counts.end(), [](auto n) { return n > 0; }) - counts.begin());
  auto const sampler = CorpusShare::owner(start, world.size());
  std::string chosen;
  agree(world, [&] {
    if (world.rank() != sampler) return;
    chosen = nlohmann::json(choose_exponents(run.model, share.units.at(start).front(), fresh)).dump();
  });
  auto const exponents = nlohmann::json::parse(world.broadcast(std::move(chosen), sampler)).get<std::map<int, int>>();
  agree(world, [&] {
    for (std::size_t i = 0; i < works.size(); ++i) {
      auto& work = works[i];
      work.sections_done = state[i][0].get<std::size_t>();
      if (work.sum) continue;
      auto const found = exponents.find(work.layer);
      work.sum.emplace(inner, found != exponents.end() ? found->second : state[i][1].get<int>(), device);
    }
  });
}

/// The document whose keys cannot be summed.
std::string culprit(Corpus const& corpus, std::size_t unit, std::span<Segment const> segments, at::Tensor const& keys) {
  auto const size = keys.to(at::kFloat).square().sum(1);
  auto token = size.nan_to_num(std::numeric_limits<double>::infinity()).argmax().item<std::int64_t>();
  for (auto const& segment : segments) {
    token -= static_cast<std::int64_t>(segment.ids.size());
    if (token < 0) return corpus.place(unit, segment.document);
  }
  return "an unknown place";
}

/// Segments that run at once, added to the sums of `works`, which are in the order of their layers.
void add_batch(MomentRun const& run, std::size_t unit, std::span<Segment const> segments, std::span<LayerWork* const> works) {
  std::vector<std::vector<std::int64_t>> ids;
  for (auto const& segment : segments) ids.push_back(segment.ids);
  std::vector<int> layers;
  for (auto const* work : works) layers.push_back(work->layer);
  auto work = works.begin();
  visit_keys(run.model, pack_rows(ids, run.model.device()), layers, [&](int layer, at::Tensor const& keys) {
    try {
      (*work++)->sum->add(keys);
    } catch (RunError const& e) {
      throw RunError(fmt::format("Layer {}, {}: {}", layer, culprit(run.corpus, unit, segments, keys), e.what()));
    }
  });
}

void add_unit(MomentRun const& run, std::size_t unit, std::span<Segment const> segments, std::span<LayerWork* const> works) {
  for (std::size_t first = 0, last = 0; first < segments.size(); first = last) {
    stop_if(run.stopped);
    std::size_t tokens = 0;
    do {
      tokens += segments[last++].ids.size();
    } while (last < segments.size() && tokens + segments[last].ids.size() <= static_cast<std::size_t>(tokens_at_once));
    add_batch(run, unit, segments.subspan(first, last - first), works);
  }
}

/// Adds the ranks' sums up, on rank 0.
void gather_sums(Communicator const& world, GradientReducer& reducer, std::span<LayerWork* const> works) {
  for (auto* work : works) {
    reducer.add(work->sum->integers());
    reducer.finalize();
    work->sum->set_bound(world.all_reduce_sum(work->sum->bound()));
    if (world.rank() != 0) work->sum->clear();
  }
}

/// Bytes of a checkpoint of all layers.
double checkpoint_bytes(MomentRun const& run, std::size_t layers) {
  auto const inner = static_cast<double>(run.model.config().inner);
  return (sizeof(std::int64_t) + sizeof(float)) * inner * inner * static_cast<double>(layers);
}

/// Tells when so much work was done that a checkpoint is worth its writing.
class CheckpointClock {
 public:
  explicit CheckpointClock(double bytes) : seconds_(share * bytes / bytes_per_second) {}
  bool due() {
    auto const now = Clock::now();
    if (std::chrono::duration<double>(now - last_).count() < seconds_) return false;
    last_ = now;
    return true;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr double share = 5, bytes_per_second = 1e8;
  double seconds_;
  Clock::time_point last_ = Clock::now();
};

/// Rank 0 notes the end of a section: the object when it was the last, a checkpoint when one is due.
void end_section(MomentRun const& run, MomentSection const& section, bool last, bool due, LayerWork& work) {
  if (section.mark) {
    auto const mean = work.sum->mean(section.tokens_done);
    if (work.mark.defined()) {
      auto const change = (mean - work.mark).norm().item<double>() / std::max(mean.norm().item<double>(), 1e-300);
      work.convergence.push_back({section.tokens_done, change});
    }
    work.mark = mean;
  }
  ++work.sections_done;
  if (!last) {
    if (due) work.file.write(to_bytes(work));
    return;
  }
  SecondMoment const moment{work.layer, section.tokens_done, work.mark, run.model.fingerprint(), work.convergence};
  run.objects.put(work.key, to_bytes(moment), work.made_by);
  work.file.remove();
}

std::string in_flops(double flops) {
  char text[32];
  std::snprintf(text, sizeof text, flops < 1e13 ? "%.3g GFLOP" : "%.4g TFLOP", flops < 1e13 ? flops / 1e9 : flops / 1e12);
  return text;
}

void announce(MomentRun const& run, CorpusShare const& share, std::vector<LayerWork> const& works) {
  auto const& c = run.model.config();
  auto const tokens = static_cast<double>(share.tokens), inner = static_cast<double>(c.inner);
  auto const hidden = static_cast<double>(c.hidden), head = static_cast<double>(c.head_dim);
  auto const attention =
      hidden * head * static_cast<double>(2 * c.heads + 2 * c.kv_heads) + hidden * static_cast<double>(run.reading.longest);
  auto const ups = c.gated ? 2.0 : 1.0;
  auto const top = static_cast<double>(works.back().layer);
  auto const pass = 2 * tokens * ((top + 1) * (attention + ups * hidden * inner) + top * hidden * inner);
  auto const products = tokens * inner * inner * static_cast<double>(works.size());
  auto const layers = join(works, ", ", [](auto const& work) { return std::to_string(work.layer); });
  log_info(fmt::format(
      "second moments of layer{} {}: {} tokens in one pass, about {} for the pass and {} for the products, on {}; "
      "{} of memory a rank beside the model",
      works.size() > 1 ? "s" : "", layers, share.tokens, in_flops(pass), in_flops(products),
      counted(static_cast<std::size_t>(run.world.size()), "rank"), format_bytes(checkpoint_bytes(run, works.size()))));
}

}  // namespace

void compute_moments(MomentRun const& run, std::map<int, std::string> const& keys) {
  auto const& world = run.world;
  log_info("second moments: reading the corpus");
  auto const share = share_corpus(world, run.corpus, run.tokenizer, run.reading, run.stopped);
  auto const sections = cut_sections(share.unit_tokens);
  std::vector<LayerWork> works;
  for (auto const& [layer, key] : keys) works.push_back({layer, key, CheckpointFile(run.checkpoints / (key + ".safetensors"))});
  announce(run, share, works);
  begin(run, share, sections.size(), works);
  auto const made_by = joined_kinds(world, run.objects.made_by());
  for (auto& work : works) work.made_by = joined_kinds({made_by, work.made_by});
  auto const reducer = make_reducer(world, run.model.device());
  if (run.sums_through) run.sums_through(reducer->transport());

  auto const earliest = std::min_element(works.begin(), works.end(),
                                         [](auto const& a, auto const& b) { return a.sections_done < b.sections_done; });
  std::size_t own = 0, through = 0;
  for (auto const& [unit, segments] : share.units) {
    auto const tokens = static_cast<std::size_t>(share.unit_tokens[unit]);
    own += tokens;
    if (earliest->sections_done > 0 && unit < sections[earliest->sections_done - 1].last) through += tokens;
  }
  if (run.resumes && through > 0) run.resumes(static_cast<double>(through) / static_cast<double>(own));
  std::optional<Progress> line;
  if (world.rank() == 0) line.emplace("second moments", world.size() > 1 ? "tokens of this rank" : "tokens", own, through);
  CheckpointClock clock(checkpoint_bytes(run, works.size()));
  for (auto s = earliest->sections_done; s < sections.size(); ++s) {
    auto const& section = sections[s];
    std::vector<LayerWork*> active;
    for (auto& work : works) {
      if (work.sections_done <= s) active.push_back(&work);
    }
    std::int64_t added = 0;
    agree(world, [&] {
      for (auto unit = share.units.lower_bound(section.first); unit != share.units.end() && unit->first < section.last; ++unit) {
        add_unit(run, unit->first, unit->second, active);
        auto const tokens = static_cast<std::size_t>(share.unit_tokens[unit->first]);
        through += tokens;
        added += share.unit_tokens[unit->first];
        if (line) line->advance(tokens);
        if (run.progress) run.progress(static_cast<double>(through) / static_cast<double>(own));
      }
    });
    added = world.all_reduce_sum(added);
    auto const planned = section.tokens_done - (s > 0 ? sections[s - 1].tokens_done : 0);
    invariant(added == planned, "the ranks went through ", added, " tokens of a section of ", planned);
    gather_sums(world, *reducer, active);
    agree(world, [&] {
      bool const last = s + 1 == sections.size(), due = !last && clock.due();
      for (auto* work : active) {
        if (world.rank() == 0) {
          end_section(run, section, last, due, *work);
        } else {
          ++work->sections_done;
        }
      }
    });
  }
}

}  // namespace onemask
