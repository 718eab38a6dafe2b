#include "pretrain/trainer.hpp"

#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/comm/agree.hpp>
#include <onemask/compute/fixed_point.hpp>
#include <onemask/core/error.hpp>

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

/// The loss is a mean, so that gradients are far below 2^9 in magnitude; steps of 2^-42 (2e-13) are finer than what bfloat16 or
/// float32 keep of all but the smallest.
constexpr int gradient_bits = 42;
/// Sums of -log P are below 2^27.
constexpr int loss_bits = 24;

std::int64_t fixed(double loss) {
  if (!std::isfinite(loss)) throw RunError("The loss has overflowed; use a smaller learning rate.");
  return std::llround(std::ldexp(loss, loss_bits));
}

}  // namespace

PretrainTrainer::PretrainTrainer(ModelConfig const& model, PretrainStudy const& study, Sequences const& sequences,
                                 Communicator const& comm)
    : options_(study.training),
      comm_(comm),
      body_(model, type_of_products(study.training)),
      stream_(sequences, study.training, study.corpus.text_share, study.seed),
      optimizer_(body_.weights(), initial_weights(body_.weights(), study.seed), study.training, comm),
      reducer_(make_reducer(comm, at::kCPU)),
      sums_(at::zeros({body_.size() + 3}, at::kLong)),
      gradient_(at::empty({body_.size()}, at::kFloat)) {
  body_.set_weights(optimizer_.flat());
}

bool PretrainTrainer::step(bool stop, Losses& losses) {
  c10::NoGradGuard const no_gradients;
  auto const rows = stream_.next();
  double total_weight = 0;
  for (auto const& prediction : rows.predictions) {
    total_weight += static_cast<double>(prediction.weight);
    ++(prediction.object ? losses.object_count : losses.other_count);
  }
  auto const size = body_.size();
  sums_.zero_();
  auto* const tail = sums_.mutable_data_ptr<std::int64_t>() + size;
  agree(comm_, [&] {
    auto const ranks = static_cast<std::int64_t>(comm_.size());
    for (std::int64_t first = 0, index = 0; first < rows.rows; first += options_.micro_rows, ++index) {
      if (index % ranks != comm_.rank()) continue;
      auto const part = rows.part(first, std::min(options_.micro_rows, rows.rows - first));
      auto const own = body_.add_gradient(part, total_weight, gradient_bits, sums_.narrow(0, 0, size));
      tail[0] += fixed(own.objects);
      tail[1] += fixed(own.others);
    }
    tail[2] = stop;
  });
  reducer_->add(sums_);
  reducer_->finalize();
  losses.objects += std::ldexp(static_cast<double>(tail[0]), -loss_bits);
  losses.others += std::ldexp(static_cast<double>(tail[1]), -loss_bits);
  bool const stopped = tail[2] > 0;
  read_fixed_point(sums_.narrow(0, 0, size), gradient_bits, gradient_);
  optimizer_.step(gradient_, steps_);
  body_.set_weights(optimizer_.flat());
  ++steps_;
  tokens_ += rows.tokens;
  return stopped;
}

std::string PretrainTrainer::checkpoint(std::string const& study, double seconds) const {
  nlohmann::json const facts{{"study", study}, {"steps", steps_}, {"seconds", seconds}};
  return write_safetensors(optimizer_.state(), {{"training", facts.dump()}});
}

std::int64_t PretrainTrainer::steps_in(std::string const& bytes) {
  try {
    auto const file = SafetensorsFile::parse(bytes, "checkpoint");
    return nlohmann::json::parse(file.metadata().at("training")).at("steps").get<std::int64_t>();
  } catch (std::exception const&) {
    return -1;
  }
}

double PretrainTrainer::restore(std::string bytes, std::string const& source, std::string const& study) {
  auto const file = SafetensorsFile::parse(std::move(bytes), source);
  std::int64_t steps = 0;
  double seconds = 0;
  auto const state = optimizer_.state();
  try {
    auto const facts = nlohmann::json::parse(file.metadata().at("training"));
    if (facts.at("study").get<std::string>() != study) throw UserError("it belongs to another study, corpus or tokenizer");
    steps = facts.at("steps").get<std::int64_t>();
    seconds = facts.at("seconds").get<double>();
    if (steps < 0 || steps > options_.steps) throw UserError("its number of steps is out of range");
    for (auto const& [name, tensor] : state) {
      auto const stored = file.tensor(name);
      if (stored.sizes() != tensor.sizes() || stored.scalar_type() != at::kFloat) throw UserError(name + " has another size");
    }
  } catch (std::exception const& e) {
    throw UserError("The checkpoint " + source + " cannot be used: " + e.what() +
                    ". Choose another folder, or delete it; the training then starts from the beginning.");
  }
  for (auto const& [name, tensor] : state) tensor.copy_(file.tensor(name));
  body_.set_weights(optimizer_.flat());
  for (; steps_ < steps; ++steps_) tokens_ += stream_.next().tokens;
  return seconds;
}

}  // namespace onemask
