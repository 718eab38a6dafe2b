#include <onemask/core/error.hpp>
#include <onemask/core/random.hpp>
#include <onemask/data/prompt.hpp>
#include <onemask/edit/context_templates.hpp>
#include <onemask/model/pass.hpp>

#include <array>

#include <c10/core/GradMode.h>

namespace onemask {
namespace {

constexpr std::int64_t choices = 5;

/// One of the `choices` likeliest next tokens of each row, drawn by probability.
std::vector<std::int64_t> sample_next(CausalLM const& model, std::vector<std::vector<std::int64_t>> const& rows,
                                      std::vector<RandomStream>& streams) {
  auto const packed = pack_rows(rows, model.device());
  Pass const pass(model, packed.layout);
  auto const last = want(packed.layout, std::vector<std::vector<std::int64_t>>(rows.size(), {-1}));
  auto const layers = static_cast<int>(model.config().layers);
  auto const hidden = pass.run(0, layers - 1, pass.embed(packed.ids), last.layout, last.tokens);
  auto const [values, ids] = model.logits(model.final_norm(hidden)).to(at::kDouble).topk(choices);
  auto const probabilities = at::softmax(values, -1).to(at::kCPU).contiguous();
  auto const candidates = ids.to(at::kCPU).contiguous();
  std::vector<std::int64_t> next;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    auto const* p = probabilities.data_ptr<double>() + row * choices;
    double left = streams[row].uniform();
    std::int64_t choice = 0;
    while (choice + 1 < choices && left >= p[choice]) left -= p[choice++];
    next.push_back(candidates.data_ptr<std::int64_t>()[row * choices + choice]);
  }
  return next;
}

std::string without_braces(std::string const& text) {
  std::string result;
  for (char c : text) {
    if (c != '{' && c != '}') result += c;
  }
  return result;
}

}  // namespace

ContextTemplates sample_context_templates(CausalLM const& model, Tokenizer const& tokenizer,
                                          std::vector<std::pair<int, int>> const& length_params, std::uint64_t seed) {
  static constexpr std::array<char const*, 5> starts{"The", "Therefore", "Because", "I", "You"};
  c10::NoGradGuard const no_gradients;
  ContextTemplates templates{"{}"};
  for (auto const& [length, count] : length_params) {
    std::vector<std::vector<std::int64_t>> rows;
    std::vector<RandomStream> streams;
    for (int i = 0; i < count; ++i) {
      rows.push_back(encode_prompt(tokenizer, starts[static_cast<std::size_t>(i) % starts.size()]));
      streams.emplace_back(std::initializer_list<std::uint64_t>{seed, stream::templates, static_cast<std::uint64_t>(length),
                                                                static_cast<std::uint64_t>(i)});
    }
    auto const bos = tokenizer.adds_bos() ? std::size_t{1} : std::size_t{0};
    while (!rows.empty() && rows.front().size() < static_cast<std::size_t>(length) + bos) {
      auto const next = sample_next(model, rows, streams);
      for (std::size_t row = 0; row < rows.size(); ++row) rows[row].push_back(next[row]);
    }
    for (auto const& row : rows) templates.push_back(without_braces(tokenizer.decode(std::span(row).subspan(bos))) + ". {}");
  }
  return templates;
}

void check_context_templates(ContextTemplates const& templates, std::string const& where) {
  if (templates.empty() || templates.front() != "{}") throw UserError(where + ": the first context template must be \"{}\".");
  for (std::size_t i = 0; i < templates.size(); ++i) {
    auto const first = templates[i].find("{}");
    if (first == std::string::npos || templates[i].find("{}", first + 1) != std::string::npos) {
      throw UserError(where + ": context template " + std::to_string(i) + " ('" + templates[i] + "') must hold {} exactly once.");
    }
  }
}

}  // namespace onemask
