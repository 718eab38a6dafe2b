#include "moments/moment_run.hpp"
#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/comm/agree.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/log.hpp>
#include <onemask/model/positions.hpp>
#include <onemask/moments/moments.hpp>

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

/// Raised when the same corpus would give other sums, so that old objects are not found.
constexpr int moment_version = 1;

bool is_integer(at::Tensor const& tensor) {
  return at::isIntegralType(tensor.scalar_type(), false);
}

/// The rows of the only integer tensor of a file.
Corpus ids_of_tensor(std::filesystem::path const& path) {
  auto const file = SafetensorsFile::open(path);
  at::Tensor ids;
  for (auto const& name : file.names()) {
    auto const tensor = file.tensor(name);
    if (!is_integer(tensor)) continue;
    if (ids.defined()) {
      throw UserError("'" + path.string() +
                      "' has several integer tensors, so it is unclear which holds the token ids. Keep one.");
    }
    ids = tensor;
  }
  if (!ids.defined() || ids.dim() != 2) {
    throw UserError("'" + path.string() + "' has no integer tensor [segments, length] with token ids. Name a file that has.");
  }
  ids = ids.to(at::kLong).contiguous();
  auto const* data = ids.const_data_ptr<std::int64_t>();
  Hasher hasher;
  hasher.text("rows").integer(ids.size(0)).integer(ids.size(1)).bytes(data, ids.nbytes());
  std::vector<std::vector<std::int64_t>> rows;
  for (std::int64_t row = 0; row < ids.size(0); ++row) {
    rows.emplace_back(data + row * ids.size(1), data + (row + 1) * ids.size(1));
  }
  return Corpus::of_rows(std::move(rows), path.string(), hasher.hex());
}

Corpus open_corpus(MomentsOptions const& options) {
  if (options.text.empty() == options.ids.empty()) {
    throw UserError(options.ids.empty()
                        ? "Second moments are computed from a corpus, but none is named: give texts, or token ids, or a file for "
                          "each edited layer."
                        : "Texts and token ids are both given as the corpus of second moments; choose one.");
  }
  if (options.ids.empty()) return Corpus::of_texts(options.text);
  return options.ids.extension() == ".safetensors" ? ids_of_tensor(options.ids) : Corpus::of_ids(options.ids);
}

/// What the options mean, but for the model.
struct Sources {
  std::optional<Corpus> corpus;
  std::map<int, std::string> keys;
};

Sources sources_of(MomentsOptions const& options, std::vector<int> const& layers, Fingerprints const& fingerprints) {
  Sources sources;
  auto const has_file = [&](int layer) { return options.files.contains(layer); };
  if (!std::all_of(layers.begin(), layers.end(), has_file)) sources.corpus = open_corpus(options);
  for (auto layer : layers) {
    Hasher hasher;
    hasher.text("second moment").integer(moment_version).text(fingerprints.model).integer(layer);
    if (has_file(layer)) {
      hasher.text("file").text(sha256_file(options.files.at(layer)));
    } else {
      hasher.text("corpus").text(sources.corpus->fingerprint()).integer(options.tokens).integer(options.segment);
      hasher.text(fingerprints.execution).text(sources.corpus->is_text() ? fingerprints.tokenizer : "");
    }
    sources.keys[layer] = hasher.hex();
  }
  return sources;
}

/// Longest segment [tokens].
std::int64_t segment_of(MomentsOptions const& options, ModelConfig const& config) {
  if (options.segment == 0) return usual_segment(config);
  if (options.segment < 1)
    throw UserError("The segments of second moments need at least 1 token; 0 stands for the usual length.");
  require_positions(options.segment, config.positions, "A segment of second moments", "Ask for at most as many tokens.");
  return options.segment;
}

/// Refuses a corpus that cannot be read or is too small, as far as its first tokens show it.
void check_corpus(Corpus const& corpus, Tokenizer const& tokenizer, Reading const& reading, std::int64_t least) {
  constexpr std::int64_t most_read = 1'000'000;
  auto const wanted = std::max({reading.tokens, least, std::int64_t{1}});
  std::int64_t tokens = 0;
  for (std::size_t unit = 0; unit < corpus.units() && tokens < std::min(wanted, most_read); ++unit) {
    for (auto const& segment : corpus.segments(unit, tokenizer, reading.longest, reading.vocabulary))
      tokens += std::ssize(segment.ids);
  }
  if (tokens >= most_read) return;
  require_tokens(tokens, reading.tokens);
  if (tokens < least)
    throw UserError(
        fmt::format("The corpus of second moments has {} tokens, but a second moment can be inverted only if there are "
                    "at least {}, as many as the MLP is wide. Give more text.",
                    tokens, least));
}

/// The layers whose objects are not there, as rank 0 sees it.
std::vector<int> missing_layers(Communicator const& world, ObjectStore const& objects, std::map<int, std::string> const& keys) {
  std::string flags;
  agree(world, [&] {
    if (world.rank() != 0) return;
    for (auto const& [layer, key] : keys) flags += objects.get(key) ? '1' : '0';
  });
  flags = world.broadcast(std::move(flags), 0);
  std::vector<int> missing;
  std::size_t place = 0;
  for (auto const& [layer, key] : keys) {
    if (flags[place++] == '0') missing.push_back(layer);
  }
  return missing;
}

}  // namespace

std::map<int, std::string> moment_keys(MomentsOptions const& options, std::vector<int> const& layers,
                                       Fingerprints const& fingerprints) {
  return sources_of(options, layers, fingerprints).keys;
}

void check_moments(MomentsOptions const& options, std::map<int, std::string> const& keys, CausalLM const& model,
                   Tokenizer const& tokenizer, std::int64_t least, ObjectStore const& objects) {
  if (keys.empty()) return;
  Reading const reading{options.tokens, segment_of(options, model.config()), model.config().vocabulary};
  bool computes = false;
  for (auto const& [layer, key] : keys) {
    if (objects.has(key)) continue;
    auto const file = options.files.find(layer);
    computes = computes || file == options.files.end();
    if (file != options.files.end()) import_second_moment(file->second, model, layer);
  }
  if (computes) check_corpus(open_corpus(options), tokenizer, reading, least);
}

std::map<int, std::string> make_moments(Communicator const& world, CausalLM const& model, Tokenizer const& tokenizer,
                                        MomentsOptions const& options, std::vector<int> const& layers, ObjectStore const& objects,
                                        std::filesystem::path const& checkpoints, Fingerprints const& fingerprints,
                                        std::function<bool()> const& stopped, std::function<void(double)> const& progress,
                                        std::function<void(double)> const& resumes,
                                        std::function<void(std::string const&)> const& sums_through) {
  Sources sources;
  auto known = tokenizer;  // of which a text may hold all that the model knows
  Reading reading{options.tokens, 0, model.config().vocabulary};
  agree(world, [&] {
    for (auto layer : layers) require_layer(model, layer, "The list of second moments");
    if (options.tokens < 0) throw UserError("The number of tokens must be at least 1, or 0 for all.");
    reading.longest = segment_of(options, model.config());
    sources = sources_of(options, layers, fingerprints);
    if (sources.corpus && sources.corpus->is_text()) known = tokenizer.within(model.config().vocabulary);
  });
  std::string all_keys;
  for (auto const& [layer, key] : sources.keys) all_keys += key;
  for (auto const& others : world.all_gather(all_keys)) {
    if (others != all_keys) {
      throw UserError("The ranks see different corpora or models. All nodes need the same files under the same paths.");
    }
  }
  std::map<int, std::string> to_compute;
  auto const missing = missing_layers(world, objects, sources.keys);
  agree(world, [&] {
    for (auto layer : missing) {
      auto const& key = sources.keys.at(layer);
      auto const file = options.files.find(layer);
      if (file == options.files.end()) {
        to_compute[layer] = key;
      } else if (world.rank() == 0) {
        auto moment = import_second_moment(file->second, model, layer);
        auto const made_by = std::exchange(moment.made_by, {});  // the store says it beside the object
        objects.put(key, to_bytes(moment), made_by);
        log_info(fmt::format("second moment of layer {} imported from {}", layer, file->second.string()));
      }
    }
  });
  if (missing.size() < sources.keys.size()) {
    log_info(fmt::format("second moments: {} of {} layers are already in the store", sources.keys.size() - missing.size(),
                         sources.keys.size()));
  }
  if (!to_compute.empty()) {
    compute_moments(
        {world, model, known, *sources.corpus, reading, objects, checkpoints, stopped, progress, resumes, sums_through},
        to_compute);
  }
  return sources.keys;
}

SecondMoment load_moment(ObjectStore const& objects, std::string const& key, int layer, std::int64_t inner) {
  auto bytes = objects.get(key);
  auto const name = fmt::format("The second moment of layer {} (object {})", layer, key.substr(0, 12));
  if (!bytes) throw RunError(name + " is not in the object store. Run the same command again.");
  auto moment = second_moment_from_bytes(std::move(*bytes), name);
  if (moment.layer != layer || moment.matrix.size(0) != inner) {
    auto const size = moment.matrix.size(0);
    throw ShapeError(
        fmt::format("{} is of layer {} and of the size [{}, {}], but {} rows and columns are needed. Compute it again.", name,
                    moment.layer, size, size, inner));
  }
  return moment;
}

}  // namespace onemask
