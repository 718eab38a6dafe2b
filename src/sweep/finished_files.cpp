#include "sweep/finished_files.hpp"

#include <onemask/checkpoint/checkpoint.hpp>
#include <onemask/comm/agree.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/interrupt.hpp>
#include <onemask/core/log.hpp>
#include <onemask/core/progress.hpp>
#include <onemask/core/text.hpp>
#include <onemask/edit/finished_edit.hpp>
#include <onemask/study/edit_files.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

/// The plan goes to other ranks as JSON, which has texts in UTF-8 alone.
bool is_utf8(std::string const& text) {
  try {
    return !nlohmann::json(text).dump().empty();
  } catch (nlohmann::json::type_error const&) {
    return false;
  }
}

/// What the plan and messages need of a file.
struct ReadEdit {
  EditFile file;
  std::vector<int> layers;
  std::string base_model;
};

/// Reads files, each once for all ways of editing.
class EditReader {
 public:
  EditReader(Study const& study, CausalLM const& model) : original_(Checkpoint::open(study.model.checkpoint)), model_(model) {}

  /// Before those of one way of editing. Few are read before anyone asks how far it is.
  void expect(std::set<std::filesystem::path> const& paths) {
    constexpr std::ptrdiff_t many = 100;
    auto const fresh = std::count_if(paths.begin(), paths.end(), [&](auto const& path) { return !known_.contains(path); });
    progress_.reset();
    if (fresh >= many) progress_.emplace("edit.files", "edits", static_cast<std::size_t>(fresh));
  }

  ReadEdit const& read(std::filesystem::path const& path) {
    if (interrupted()) throw Interrupted("A signal stopped the reading of finished edits. Run the same command again.");
    auto const [found, is_new] = known_.try_emplace(path);
    if (!is_new) return found->second;
    auto const edit = read_finished_edit(path, original_, model_);
    found->second = {{path, edit.content(), rank_of(edit)}, {}, edit.base_model};
    for (auto const& change : edit.changes) found->second.layers.push_back(change.layer);
    if (progress_) progress_->advance();
    return found->second;
  }

 private:
  static std::int64_t rank_of(FinishedEdit const& edit) {
    std::int64_t rank = 0;
    for (auto const& change : edit.changes) {
      if (change.dense.defined()) return 0;
      rank = std::max(rank, change.left.size(0));
    }
    return rank;
  }

  Checkpoint const original_;
  CausalLM const& model_;
  std::map<std::filesystem::path, ReadEdit> known_;
  std::optional<Progress> progress_;
};

/// Finds the files of one way of editing.
class FinishedFiles {
 public:
  FinishedFiles(Study const& study, StudyPoint const& point, std::vector<SplitFact> const& facts, EditReader& reader)
      : study_(study), point_(point), files_(point.edit.files), facts_(facts), reader_(reader) {}

  FinishedEdits read() {
    std::set<std::filesystem::path> paths;
    for (auto const& fact : facts_) paths.insert(edit_file_of(files_, fact));
    paths.erase(std::filesystem::path());
    reader_.expect(paths);
    for (auto const& fact : facts_) result_.file_of.push_back(find(fact));
    warn_of_base();
    judge_missing();
    return std::move(result_);
  }

 private:
  /// The place of the fact's file in the result.
  std::optional<std::size_t> find(SplitFact const& fact) {
    auto const path = edit_file_of(files_, fact);
    if (path.empty()) return std::nullopt;
    auto const known = places_.find(path);
    if (known != places_.end()) return known->second;
    if (!is_utf8(path.string())) {
      throw UserError(
          fmt::format("The study '{}': the path '{}' of a finished edit is not text in UTF-8. Rename the file or folder.",
                      study_.name, path.string()));
    }
    std::error_code unreadable;
    if (!std::filesystem::exists(path, unreadable)) {
      // A pattern may have no file for some facts. Files that are named are there.
      if (!is_pattern(files_))
        throw UserError(
            fmt::format("The study '{}': edit.files names '{}' for the fact with case_id {}, but there is no such file "
                        "or folder.",
                        study_.name, path.string(), fact.fact.case_id));
      missing_ = path;
      return places_[path] = std::nullopt;
    }
    auto const& edit = reader_.read(path);
    require_same_layers(edit);
    note_base(edit.base_model);
    result_.files.push_back(edit.file);
    return places_[path] = result_.files.size() - 1;
  }

  void require_same_layers(ReadEdit const& edit) {
    if (result_.files.empty()) result_.layers = edit.layers;
    if (edit.layers == result_.layers) return;
    throw UserError(fmt::format(
        "The edit {} changes layers {}, but {} changes layers {}. All edits of a study change the same layers; use one study for "
        "each.",
        edit.file.path.string(), join(edit.layers, ", "), result_.files.front().path.string(), join(result_.layers, ", ")));
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
    auto const& split = point_.training.split;
    bool training = false;
    for (std::size_t f = 0; f < facts_.size(); ++f) training = training || (facts_[f].split == split && result_.file_of[f]);
    if (point_.masked && !training) {
      throw UserError(fmt::format(
          "The study '{}' trains masks on the split '{}', but edit.files has no edit of any of its facts.", study_.name, split));
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
  StudyPoint const& point_;  ///< the first of this way of editing
  EditFiles const& files_;
  std::vector<SplitFact> const& facts_;
  EditReader& reader_;
  FinishedEdits result_;
  std::map<std::filesystem::path, std::optional<std::size_t>> places_;  ///< of files in the result; of missing ones nothing
  std::filesystem::path missing_;                                       ///< one of them
  std::map<std::string, std::size_t> other_bases_;                      ///< adapters by the name of their model
};

std::string to_text(std::vector<FinishedEdits> const& all) {
  auto list = nlohmann::json::array();
  for (auto const& edits : all) {
    auto files = nlohmann::json::array(), file_of = nlohmann::json::array();
    for (auto const& file : edits.files) files.push_back({file.path.string(), file.content, file.rank});
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
      edits.files.push_back({file.at(0).get<std::string>(), file.at(1).get<std::string>(), file.at(2).get<std::int64_t>()});
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
    EditReader reader(study, model);
    hold_back(study, facts);
    std::map<std::string, FinishedEdits> known;  // by the swept edit keys
    std::vector<FinishedEdits> all;
    for (auto const& point : study.points) {
      if (imports(point) && !known.contains(point.edits)) known[point.edits] = FinishedFiles(study, point, facts, reader).read();
      all.push_back(imports(point) ? known[point.edits] : FinishedEdits());
    }
    text = to_text(all);
  });
  return from_text(world.broadcast(std::move(text), 0));
}

}  // namespace onemask
