#include <onemask/comm/agree.hpp>
#include <onemask/core/error.hpp>
#include <onemask/data/corpus.hpp>
#include <onemask/data/counterfact.hpp>
#include <onemask/data/prompt.hpp>
#include <onemask/model/head_loss.hpp>
#include <onemask/model/pass.hpp>
#include <onemask/pretrain/recall.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <span>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/core.h>

namespace onemask {
namespace {

constexpr std::size_t prompts_at_once = 128;
/// Fraction bits of sums of -log P, which are below 2^30.
constexpr int loss_bits = 24;

/// Logits [prompts, vocabulary] float32 of the token behind each prompt.
at::Tensor next_logits(CausalLM const& model, std::span<RecallPrompt const> prompts) {
  std::vector<std::vector<std::int64_t>> rows;
  for (auto const& prompt : prompts) rows.push_back(prompt.ids);
  auto const packed = pack_rows(rows, model.device());
  Pass const pass(model, packed.layout);
  auto const last = want(packed.layout, std::vector<std::vector<std::int64_t>>(rows.size(), {-1}));
  auto const top = static_cast<int>(model.config().layers) - 1;
  auto const residual = pass.run(0, top, pass.embed(packed.ids), last.layout, last.tokens);
  return model.logits(model.final_norm(residual)).to(at::kCPU, at::kFloat).contiguous();
}

}  // namespace

std::vector<RecallPrompt> recall_prompts(RecallSet const& set, Tokenizer const& tokenizer, std::int64_t longest) {
  std::vector<RecallPrompt> prompts;
  std::map<std::string, std::size_t> taken;
  for (auto const& file : set.files) {
    for (auto const& fact : read_counterfact(file)) {
      if (set.limit && taken[fact.relation]++ >= *set.limit) continue;
      auto const object = encode_target(tokenizer, fact.target_true).front();
      auto const other = encode_target(tokenizer, fact.target_new).front();
      auto const add = [&](char const* kind, std::string const& text) {
        auto ids = encode_prompt(tokenizer, text);
        if (ids.empty() || std::ssize(ids) > longest) {
          throw UserError(fmt::format("'{}', case_id {}: a prompt has {} tokens, but the model takes 1 to {}.", file.string(),
                                      fact.case_id, ids.size(), longest));
        }
        prompts.push_back({kind, std::move(ids), object, other});
      };
      add("rewrite", fact.question());
      auto const& wordings = fact.paraphrase_prompts;
      for (std::size_t i = 0; i < wordings.size(); ++i) {
        add(i + set.heldout_paraphrases < wordings.size() ? "paraphrase" : "held-out wording", wordings[i]);
      }
      for (auto const& prompt : fact.neighborhood_prompts) add("neighborhood", prompt);
    }
  }
  return prompts;
}

std::vector<Recall> measure_recall(CausalLM const& model, std::string const& set, std::vector<RecallPrompt> const& prompts,
                                   Communicator const& comm) {
  c10::NoGradGuard const no_gradients;
  std::vector<Recall> all;
  auto const of_kind = [&](std::string const& kind) -> Recall& {
    auto const found = std::find_if(all.begin(), all.end(), [&](auto const& recall) { return recall.kind == kind; });
    return found != all.end() ? *found : all.emplace_back(Recall{set, kind});
  };
  for (auto const& prompt : prompts) ++of_kind(prompt.kind).n;
  agree(comm, [&] {
    auto const ranks = static_cast<std::size_t>(comm.size());
    for (std::size_t first = 0, batch = 0; first < prompts.size(); first += prompts_at_once, ++batch) {
      if (batch % ranks != static_cast<std::size_t>(comm.rank())) continue;
      auto const part = std::span(prompts).subspan(first, std::min(prompts_at_once, prompts.size() - first));
      auto const logits = next_logits(model, part);
      auto const best = logits.argmax(1);
      for (std::size_t i = 0; i < part.size(); ++i) {
        auto const row = static_cast<std::int64_t>(i);
        auto const* const values = logits.const_data_ptr<float>() + row * logits.size(1);
        auto& recall = of_kind(part[i].kind);
        recall.top1 += best.const_data_ptr<std::int64_t>()[row] == part[i].object;
        recall.two_way += values[part[i].object] > values[part[i].other];
      }
    }
  });
  for (auto& recall : all) {
    recall.top1 = comm.all_reduce_sum(recall.top1);
    recall.two_way = comm.all_reduce_sum(recall.two_way);
  }
  return all;
}

Perplexity measure_perplexity(CausalLM const& model, Tokenizer const& tokenizer, std::filesystem::path const& text,
                              std::int64_t longest, Communicator const& comm) {
  c10::NoGradGuard const no_gradients;
  std::int64_t loss = 0, tokens = 0;
  agree(comm, [&] {
    auto const corpus = Corpus::of_texts({text});
    auto const ranks = static_cast<std::size_t>(comm.size());
    auto const top = static_cast<int>(model.config().layers) - 1;
    for (auto unit = static_cast<std::size_t>(comm.rank()); unit < corpus.units(); unit += ranks) {
      std::vector<std::vector<std::int64_t>> rows, offsets;
      std::vector<std::int64_t> targets;
      for (auto& segment : corpus.segments(unit, tokenizer, longest, model.config().vocabulary)) {
        if (segment.ids.size() < 2) continue;
        targets.insert(targets.end(), segment.ids.begin() + 1, segment.ids.end());
        segment.ids.pop_back();
        rows.push_back(std::move(segment.ids));
      }
      if (rows.empty()) continue;
      auto const packed = pack_rows(rows, model.device());
      Pass const pass(model, packed.layout);
      auto const normed = model.final_norm(pass.run(0, top, pass.embed(packed.ids)));
      auto const losses = negative_log_likelihood(model, normed, index_tensor(targets, model.device())).value;
      loss += std::llround(std::ldexp(losses.sum(at::kDouble).item<double>(), loss_bits));
      tokens += std::ssize(targets);
    }
  });
  loss = comm.all_reduce_sum(loss);
  tokens = comm.all_reduce_sum(tokens);
  if (tokens == 0) throw UserError("The held-out text '" + text.string() + "' has no document of two tokens. Name another file.");
  return {std::exp(std::ldexp(static_cast<double>(loss), -loss_bits) / static_cast<double>(tokens)), tokens};
}

}  // namespace onemask
