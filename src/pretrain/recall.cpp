#include <onemask/comm/agree.hpp>
#include <onemask/core/error.hpp>
#include <onemask/data/counterfact.hpp>
#include <onemask/data/prompt.hpp>
#include <onemask/model/pass.hpp>
#include <onemask/model/positions.hpp>
#include <onemask/pretrain/recall.hpp>

#include <algorithm>
#include <map>
#include <span>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/core.h>

namespace onemask {
namespace {

constexpr std::size_t prompts_at_once = 128;

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

std::vector<RecallPrompt> recall_prompts(RecallSet const& set, Tokenizer const& tokenizer, std::int64_t positions) {
  std::vector<RecallPrompt> prompts;
  std::map<std::string, std::size_t> taken;
  for (auto const& file : set.files) {
    for (auto const& fact : read_counterfact(file)) {
      if (set.limit && taken[fact.relation]++ >= *set.limit) continue;
      auto const object = encode_target(tokenizer, fact.target_true).front();
      auto const other = encode_target(tokenizer, fact.target_new).front();
      auto const add = [&](char const* kind, std::string const& text) {
        auto ids = encode_prompt(tokenizer, text);
        auto const place = fmt::format("'{}', case_id {}: the prompt '{}'", file.string(), fact.case_id, text);
        if (ids.empty()) throw UserError(place + " has no tokens. Leave the record out.");
        require_positions(std::ssize(ids), positions, place, "Leave the record out.");
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

}  // namespace onemask
