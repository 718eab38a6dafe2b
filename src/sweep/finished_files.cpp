#include "sweep/finished_files.hpp"

#include <onemask/checkpoint/checkpoint.hpp>
#include <onemask/comm/agree.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/log.hpp>
#include <onemask/core/text.hpp>
#include <onemask/edit/finished_edit.hpp>
#include <onemask/study/edit_files.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

/// Reads the files of one way of editing.
class FinishedFiles {
 public:
  FinishedFiles(Study const& study, StudyPoint const& point, std::vector<SplitFact> const& facts, Checkpoint const& original,
                CausalLM const& model)
      : study_(study), files_(point.edit.files), masked_(point.masked), facts_(facts), original_(original), model_(model) {}

  FinishedEdits read() {
    for (auto const& fact : facts_) result_.file_of.push_back(find(fact));
    warn_of_base();
    judge_missing();
    return std::move(result_);
  }

 private:
  /// The place of the fact's file in the result.
  std::optional<std::size_t> find(SplitFact const& fact) {
    auto const path = edit_file_of(files_, fact, study_);
    if (path.empty()) return std::nullopt;
    auto const known = places_.find(path);
    if (known != places_.end()) return known->second;
    std::error_code unreadable;
    if (!std::filesystem::exists(path, unreadable)) {
      // A pattern may have no file for some facts. Files that are named are there.
      if (files_.name.find('{') == std::string::npos)
        throw UserError(
            fmt::format("The study '{}': edit.files names '{}' for the fact with case_id {}, but there is no such file "
                        "or folder.",
                        study_.name, path.string(), fact.fact.case_id));
      missing_ = path;
      return places_[path] = std::nullopt;
    }
    auto const edit = read_finished_edit(path, original_, model_);
    require_same_layers(path, edit);
    note_base(edit.base_model);
    bool const factors =
        std::all_of(edit.changes.begin(), edit.changes.end(), [](auto const& change) { return !change.dense.defined(); });
    result_.files.push_back({path, edit.content(), factors});
    return places_[path] = result_.files.size() - 1;
  }

  void require_same_layers(std::filesystem::path const& path, FinishedEdit const& edit) {
    std::vector<int> layers;
    for (auto const& change : edit.changes) layers.push_back(change.layer);
    if (result_.files.empty()) result_.layers = layers;
    if (layers == result_.layers) return;
    throw UserError(fmt::format(
        "The edit {} changes layers {}, but {} changes layers {}. All edits of a study change the same layers; use one study for "
        "each.",
        path.string(), join(layers, ", "), result_.files.front().path.string(), join(result_.layers, ", ")));
  }

  /// Names of one model differ from place to place; only the last part is compared.
  void note_base(std::string const& name) {
    std::error_code unreadable;
    auto const last = [](std::filesystem::path const& path) {
      return path.has_filename() ? path.filename() : path.parent_path().filename();
    };
    auto const own = last(std::filesystem::weakly_canonical(study_.model.checkpoint, unreadable));
    if (!name.empty() && last(name) != own) ++other_bases_[name];
  }

  void warn_of_base() const {
    for (auto const& [name, count] : other_bases_) {
      log_warning(fmt::format("{} name the model '{}', but the study edits '{}'. Their shapes fit.", counted(count, "adapter"),
                              name, study_.model.checkpoint.string()));
    }
  }

  void judge_missing() const {
    auto const missing = static_cast<std::size_t>(std::count(result_.file_of.begin(), result_.file_of.end(), std::nullopt));
    if (result_.files.empty()) {
      throw UserError(fmt::format("The study '{}': edit.files has no edit of any of its {}{}.", study_.name,
                                  counted(facts_.size(), "fact"),
                                  missing_.empty() ? "" : "; there is no '" + missing_.string() + "', for example"));
    }
    bool training = false;
    for (std::size_t f = 0; f < facts_.size(); ++f)
      training = training || (facts_[f].split == study_.train_split && result_.file_of[f]);
    if (masked_ && !training) {
      throw UserError(
          fmt::format("The study '{}' trains masks on the split '{}', but edit.files has no edit of any of its facts.",
                      study_.name, study_.train_split));
    }
    std::set<std::int64_t> known;
    for (auto const& fact : facts_) known.insert(fact.fact.case_id);
    auto const others = std::count_if(files_.of_facts.begin(), files_.of_facts.end(),
                                      [&](auto const& item) { return !known.contains(item.first); });
    if (others > 0)
      log_info(fmt::format("edit.files names {} of other facts; they are not read",
                           counted(static_cast<std::size_t>(others), "edit")));
    if (missing > 0) {
      log_warning(fmt::format("edit.files has no edit of {} of the {} facts{}. They count as edits that failed.", missing,
                              facts_.size(), missing_.empty() ? "" : "; there is no '" + missing_.string() + "', for example"));
    }
  }

  Study const& study_;
  EditFiles const& files_;
  bool masked_;
  std::vector<SplitFact> const& facts_;
  Checkpoint const& original_;
  CausalLM const& model_;
  FinishedEdits result_;
  std::map<std::filesystem::path, std::optional<std::size_t>> places_;  ///< of files in the result; of missing ones nothing
  std::filesystem::path missing_;                                       ///< one of them
  std::map<std::string, std::size_t> other_bases_;                      ///< adapters by the name of their model
};

std::string to_text(std::vector<FinishedEdits> const& all) {
  auto list = nlohmann::json::array();
  for (auto const& edits : all) {
    auto files = nlohmann::json::array(), file_of = nlohmann::json::array();
    for (auto const& file : edits.files) files.push_back({file.path.string(), file.content, file.factors});
    for (auto const& file : edits.file_of) file_of.push_back(file ? static_cast<std::int64_t>(*file) : -1);
    list.push_back({{"files", files}, {"file_of", file_of}, {"layers", edits.layers}});
  }
  return list.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::vector<FinishedEdits> from_text(std::string const& text) {
  std::vector<FinishedEdits> all;
  for (auto const& item : nlohmann::json::parse(text)) {
    auto& edits = all.emplace_back();
    for (auto const& file : item.at("files"))
      edits.files.push_back({file.at(0).get<std::string>(), file.at(1).get<std::string>(), file.at(2).get<bool>()});
    for (auto const& file : item.at("file_of")) {
      auto const place = file.get<std::int64_t>();
      edits.file_of.push_back(place < 0 ? std::nullopt : std::optional(static_cast<std::size_t>(place)));
    }
    edits.layers = item.at("layers").get<std::vector<int>>();
  }
  return all;
}

}  // namespace

std::vector<FinishedEdits> find_finished_edits(Communicator const& world, Study const& study, std::vector<SplitFact> facts,
                                               CausalLM const& model) {
  auto const imports = [](auto const& point) { return point.edit.hparams.method == EditMethod::imported; };
  if (std::none_of(study.points.begin(), study.points.end(), imports)) return {};
  std::string text;
  agree(world, [&] {
    if (world.rank() != 0) return;
    auto const original = Checkpoint::open(study.model.checkpoint);
    hold_back(study, facts);
    std::map<std::string, FinishedEdits> known;  // by the swept edit keys
    std::vector<FinishedEdits> all;
    for (auto const& point : study.points) {
      if (imports(point) && !known.contains(point.edits))
        known[point.edits] = FinishedFiles(study, point, facts, original, model).read();
      all.push_back(imports(point) ? known[point.edits] : FinishedEdits());
    }
    text = to_text(all);
  });
  return from_text(world.broadcast(std::move(text), 0));
}

}  // namespace onemask
