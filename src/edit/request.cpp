#include <onemask/core/error.hpp>
#include <onemask/data/prompt.hpp>
#include <onemask/edit/request.hpp>
#include <onemask/model/positions.hpp>

#include <iterator>
#include <string>

#include <fmt/core.h>

namespace onemask {
namespace {

/// `text` with its "{}" replaced.
std::string fill(std::string const& text, std::string const& value) {
  auto const position = text.find("{}");
  return text.substr(0, position) + value + text.substr(position + 2);
}

/// A template with one "{}" for the subject, and the position of the subject's last token in it.
EditRequest::Row make_row(Tokenizer const& tokenizer, std::string const& text, std::string const& subject, bool subject_last) {
  EditRequest::Row row{encode_prompt(tokenizer, fill(text, subject)), 0};
  auto const upto = text.substr(0, text.find("{}")) + subject;
  row.lookup = subject_last ? last_token_of(tokenizer, upto, row.ids.size()) : std::ssize(row.ids) - 1;
  return row;
}

}  // namespace

EditRequest make_edit_request(Tokenizer const& tokenizer, Fact const& fact, ContextTemplates const& templates,
                              EditHparams const& hparams, std::int64_t positions) {
  auto const record = fmt::format("The record with case_id {}", fact.case_id);
  EditRequest request{fact.case_id, {}, {}, {}, fact.subject};
  try {
    request.target = encode_target(tokenizer, fact.target_new);
  } catch (UserError const& e) {
    throw UserError(record + ", field target_new: " + e.what());
  }
  for (auto const& context : templates) {
    request.contexts.push_back(
        make_row(tokenizer, fill(context, fact.prompt), fact.subject, hparams.fact_token == "subject_last"));
    auto& ids = request.contexts.back().ids;
    require_positions(positions_of(ids.size(), request.target.size()), positions,
                      fmt::format("{} with its object behind the context '{}'", record, context),
                      "Leave the record out or use shorter contexts.");
    ids.insert(ids.end(), request.target.begin(), request.target.end() - 1);
  }
  request.essence = make_row(tokenizer, "{} is a", fact.subject, hparams.fact_token == "subject_last");
  require_positions(std::ssize(request.essence.ids), positions, record + " with its subject in '{} is a'",
                    "Leave the record out.");
  return request;
}

}  // namespace onemask
