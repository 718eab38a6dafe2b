#include "tune/products.hpp"

#include <onemask/core/invariant.hpp>
#include <onemask/core/text.hpp>
#include <onemask/report/export.hpp>
#include <onemask/report/layer_plot.hpp>
#include <onemask/report/text_table.hpp>
#include <onemask/store/study_file.hpp>

#include <algorithm>
#include <map>
#include <set>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

constexpr std::size_t shown_trials = 20;

std::string per_cent(double share) {
  return fmt::format("{:.1f}", 100 * share);
}

/// "4", "2 to 4".
std::string layers_text(EditHparams const& hparams) {
  auto const first = hparams.layers.front(), last = hparams.layer();
  return first == last ? std::to_string(last) : fmt::format("{} to {}", first, last);
}

/// "ES 100.0 %, PS 93.8 %, NS 97.1 %, score 96.9 % [94.2, 98.8] on 50 facts"
std::string scores_text(EditQuality const& quality) {
  return fmt::format("ES {} %, PS {} %, NS {} %, score {} % [{}, {}] on {}", per_cent(quality.rewrite.mean),
                     per_cent(quality.paraphrase.mean), per_cent(quality.neighborhood.mean), per_cent(quality.score.mean),
                     per_cent(quality.score.low), per_cent(quality.score.high),
                     counted(static_cast<std::size_t>(quality.score.n), "fact"));
}

/// Every trial with its settings and scores.
Table trials_table(TuneResults const& results, TuneTrial const* chosen) {
  std::vector<std::int64_t> rung, facts, n, fits, is_chosen;
  std::vector<std::string> kind;
  std::vector<double> es, ps, ns, score, low, high, drift;
  auto const keys = tuned_keys(results.trials.front().candidate.hparams.method);
  std::map<std::string, std::vector<std::string>> settings;
  for (auto const& trial : results.trials) {
    auto const& q = trial.quality;
    rung.push_back(static_cast<std::int64_t>(trial.rung) + 1);
    kind.push_back(name_of_kind(results.plan.ladder.at(trial.rung).kind));
    for (auto const& key : keys) settings[key].push_back(value_of_setting(trial.candidate.hparams, key));
    facts.push_back(static_cast<std::int64_t>(trial.facts));
    n.push_back(q.score.n);
    for (auto const& [column, value] : {std::pair{&es, q.rewrite.mean},
                                        {&ps, q.paraphrase.mean},
                                        {&ns, q.neighborhood.mean},
                                        {&score, q.score.mean},
                                        {&low, q.score.low},
                                        {&high, q.score.high},
                                        {&drift, trial.drift}}) {
      column->push_back(value);
    }
    fits.push_back(trial.fits);
    is_chosen.push_back(chosen != nullptr && trial.facts == chosen->facts &&
                        name_of_settings(trial.candidate.hparams) == name_of_settings(chosen->candidate.hparams));
  }
  Table table{{{"rung", std::move(rung)}, {"kind", std::move(kind)}}};
  for (auto const& key : keys) table.columns.emplace_back(key, std::move(settings[key]));
  table.columns.insert(table.columns.end(), {{"es", std::move(es)},
                                             {"ps", std::move(ps)},
                                             {"ns", std::move(ns)},
                                             {"score", std::move(score)},
                                             {"low", std::move(low)},
                                             {"high", std::move(high)},
                                             {"n", std::move(n)},
                                             {"facts", std::move(facts)},
                                             {"drift", std::move(drift)},
                                             {"fits", std::move(fits)},
                                             {"chosen", std::move(is_chosen)}});
  return table;
}

/// "v_lr is 2, the largest that was tried": where more or less of a setting may be better still.
std::vector<std::string> edges(TuneResults const& results, TuneTrial const& chosen) {
  std::vector<std::string> sentences;
  for (auto const& key : tuned_keys(chosen.candidate.hparams.method)) {
    if (key == "layers") continue;
    std::set<double> tried;
    for (auto const& trial : results.trials) tried.insert(std::stod(value_of_setting(trial.candidate.hparams, key)));
    auto const text = value_of_setting(chosen.candidate.hparams, key);
    auto const value = std::stod(text);
    if (tried.size() < 3 || (value != *tried.begin() && value != *tried.rbegin())) continue;
    sentences.push_back(
        fmt::format("{} is {}, the {} that was tried.", key, text, value == *tried.begin() ? "smallest" : "largest"));
  }
  return sentences;
}

std::string limit_text(TunePlan const& plan) {
  return fmt::format("{}: at most {}", name_of_measure(plan.measure), plan.max_drift);
}

std::string ladder_text(TunePlan const& plan) {
  return fmt::format("{} edits: {}", edits_of(plan.ladder), describe(plan.ladder));
}

std::string commented(std::string const& text) {
  std::string lines;
  for (auto const& line : split_text(wrapped(text, 118), '\n')) {
    if (!line.empty()) lines += "# " + line + "\n";
  }
  return lines;
}

std::string last_part(std::filesystem::path const& folder) {
  auto const normal = std::filesystem::absolute(folder).lexically_normal();
  return (normal.has_filename() ? normal : normal.parent_path()).filename().string();
}

}  // namespace

std::vector<TuneTrial> final_trials(std::vector<TuneTrial> const& trials) {
  std::map<std::string, TuneTrial> last;
  for (auto const& trial : trials) {
    auto const [known, is_new] = last.try_emplace(name_of_settings(trial.candidate.hparams), trial);
    if (!is_new && trial.facts >= known->second.facts) known->second = trial;
  }
  std::vector<TuneTrial> final;
  for (auto& [name, trial] : last) final.push_back(std::move(trial));
  std::sort(final.begin(), final.end(),
            [](auto const& a, auto const& b) { return a.facts != b.facts ? a.facts > b.facts : is_better(a, b); });
  return final;
}

TuneTrial const* winner(std::vector<TuneTrial> const& final) {
  invariant(!final.empty(), "a tune has tried nothing");
  return final.front().fits ? &final.front() : nullptr;
}

std::string table_text(TuneResults const& results) {
  auto const final = final_trials(results.trials);
  auto const keys = tuned_keys(final.front().candidate.hparams.method);
  TextTable table;
  auto head = keys;
  head.insert(head.end(), {"ES", "PS", "NS", "score", "95 % interval", "n", "drift", "rung"});
  table.add(head);
  for (auto const& trial : final) {
    if (&trial - final.data() == shown_trials) break;
    auto const& q = trial.quality;
    std::vector<std::string> row;
    for (auto const& key : keys)
      row.push_back(key == "layers" ? layers_text(trial.candidate.hparams) : value_of_setting(trial.candidate.hparams, key));
    auto const left_out = q.score.n < static_cast<std::int64_t>(trial.facts) ? ", not all edited" : ", over the limit";
    row.insert(row.end(), {per_cent(q.rewrite.mean), per_cent(q.paraphrase.mean), per_cent(q.neighborhood.mean),
                           per_cent(q.score.mean), fmt::format("[{}, {}]", per_cent(q.score.low), per_cent(q.score.high)),
                           fmt::format("{}/{}", q.score.n, trial.facts), fmt::format("{:.4g}", trial.drift),
                           fmt::format("{} {}{}", trial.rung + 1, name_of_kind(results.plan.ladder.at(trial.rung).kind),
                                       trial.fits ? "" : left_out)});
    table.add(row);
  }
  auto text = fmt::format("{} on {}, study {}: {}\n\n", results.plan.method, last_part(results.checkpoint), results.study,
                          ladder_text(results.plan)) +
              table.text();
  if (final.size() > shown_trials) text += fmt::format("and {} more in trials.csv\n", final.size() - shown_trials);
  text += "\nES, PS, NS: success % of rewrites, paraphrases and in the neighborhood; score: their harmonic mean.\ndrift: " +
          limit_text(results.plan) + "\n";
  auto const* const chosen = winner(final);
  if (chosen == nullptr) return text;
  text += fmt::format("\nchosen: layer {}, {}\n", layers_text(chosen->candidate.hparams), scores_text(chosen->quality));
  for (auto const& sentence : edges(results, *chosen)) text += sentence + "\n";
  return text;
}

std::string trials_csv(TuneResults const& results) {
  auto const final = final_trials(results.trials);
  return to_csv(trials_table(results, winner(final)));
}

std::string trials_json(TuneResults const& results) {
  auto const final = final_trials(results.trials);
  auto const table = trials_table(results, winner(final));
  nlohmann::ordered_json json{{"study", results.study},
                              {"model", last_part(results.checkpoint)},
                              {"plan", nlohmann::ordered_json::parse(to_json(results.plan))},
                              {"trials", nlohmann::ordered_json::array()}};
  for (std::size_t row = 0; row < table.rows(); ++row) {
    nlohmann::ordered_json trial;
    for (auto const& column : table.columns)
      std::visit([&](auto const& values) { trial[column.first] = values[row]; }, column.second);
    json["trials"].push_back(std::move(trial));
  }
  return json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string layers_svg(TuneResults const& results) {
  auto const final = final_trials(results.trials);
  auto const* const chosen = winner(final);
  auto const facts = results.plan.ladder.front().facts;
  std::map<int, TuneTrial> best;
  for (auto const& trial : ranking(results.trials, facts)) best.try_emplace(trial.candidate.hparams.layer(), trial);
  std::vector<LayerScore> scores;
  for (auto const& [layer, trial] : best) {
    auto const& score = trial.quality.score;
    if (score.n > 0)
      scores.push_back({std::to_string(layer), score, chosen != nullptr && layer == chosen->candidate.hparams.layer()});
  }
  return layer_plot(
      fmt::format("{} on {}", results.plan.method, last_part(results.checkpoint)),
      fmt::format("Best score of edits of each layer (the last of a window), on the first {}. Whiskers: 95 % interval.",
                  counted(facts, "fact")),
      scores);
}

std::string hparams_file(TuneResults const& results, TuneTrial const& chosen) {
  auto const& hparams = chosen.candidate.hparams;
  auto text = commented(fmt::format("{} on {}, found by", algorithm_name(hparams.method), last_part(results.checkpoint)));
  text += fmt::format("#   {} --budget {}edits\n", results.command, edits_of(results.plan.ladder));
  text +=
      commented(fmt::format("on {} probe facts (hash {}, drawn with seed 0), which no split of the study '{}' has: {}. Drift "
                            "{:.4g} ({}). Ladder of {}.",
                            results.plan.facts, results.plan.probes.substr(0, 12), results.study, scores_text(chosen.quality),
                            chosen.drift, limit_text(results.plan), ladder_text(results.plan)));
  for (auto const& sentence : edges(results, chosen)) text += commented(sentence);
  text += hparams_text(hparams);
  return text + (results.facts_per_model > 0 ? fmt::format("batch_size: {}\n", results.facts_per_model) : "");
}

}  // namespace onemask
