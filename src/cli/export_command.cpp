#include "cli/compute_commands.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/json_line.hpp>
#include <onemask/core/log.hpp>
#include <onemask/core/text.hpp>
#include <onemask/edit/adapter.hpp>
#include <onemask/edit/batch_edit.hpp>
#include <onemask/mask/shared_mask.hpp>
#include <onemask/model/new_folder.hpp>
#include <onemask/model/rewrite.hpp>
#include <onemask/store/object_store.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <map>
#include <optional>
#include <set>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

using Words = std::vector<std::string>;

/// What the command line asks for.
struct ExportRequest {
  std::filesystem::path model, objects, out;
  Words edits;  ///< keys, or beginnings of keys
  std::optional<std::string> mask;
  MaskOptions cut;  ///< its threshold, or its share of zeros
  std::string dtype;
  std::optional<AdapterOptions> adapter;  ///< instead of a checkpoint
  bool json = false;
};

/// How the soft mask becomes binary.
MaskOptions cut_of(po::variables_map const& values) {
  bool const by_share = values.contains("zeros");
  if (by_share == values.contains("threshold")) {
    throw UserError(
        "Give --threshold, below which entries of the mask become zero, or --zeros, the share of entries that do. That of the "
        "study is in study.h5, attribute 'threshold' or 'zeros' of masks/0 and so on.");
  }
  std::string const option = by_share ? "zeros" : "threshold";
  auto const text = values[option].as<std::string>();
  double number = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !(number > 0 && number < 1)) {
    throw UserError("The option --" + option + " must be a number between 0 and 1, but is '" + text + "'.");
  }
  MaskOptions cut;
  if (by_share) {
    cut.zeros = number;
  } else {
    cut.threshold = number;
  }
  return cut;
}

/// What --adapter and its options ask for.
std::optional<AdapterOptions> adapter_options_of(po::variables_map const& values, std::string const& dtype) {
  if (!values.contains("adapter")) {
    for (auto const* option : {"rank", "base-model"}) {
      if (values.contains(option)) throw UserError(std::string("The option --") + option + " is for an adapter; add --adapter.");
    }
    return std::nullopt;
  }
  if (values.contains("mask")) {
    throw UserError(
        "A mask cannot be written as an adapter: an adapter adds a matrix of low rank to W, but a mask sets entries of W to "
        "zero, "
        "and that change has full rank. Leave out --adapter, so that a checkpoint is written, or --mask.");
  }
  AdapterOptions options;
  options.base_model = values[values.contains("base-model") ? "base-model" : "model"].as<std::string>();
  options.dtype = dtype;
  if (values.contains("rank")) options.rank = positive_number(values, "rank");
  return options;
}

ExportRequest export_request_of(po::variables_map const& values) {
  ExportRequest request;
  request.model = need_option(values, "model", "the folder of the model that was edited");
  request.objects = need_option(values, "objects", "the folder with the objects of a run, RUN/objects");
  request.out = need_option(values, "out", "the folder to write");
  if (values.contains("edits")) request.edits = values["edits"].as<Words>();
  if (values.contains("mask")) {
    request.mask = need_option(values, "mask", "the key of a mask");
    request.cut = cut_of(values);
  } else {
    for (auto const* option : {"threshold", "zeros"}) {
      if (values.contains(option))
        throw UserError(std::string("The option --") + option + " is for a mask; give its key with --mask, or leave both out.");
    }
  }
  if (request.edits.empty() && !request.mask)
    throw UserError("There is nothing to export: name edits with --edits, a mask with --mask, or both.");
  request.dtype = values["dtype"].as<std::string>();
  request.adapter = adapter_options_of(values, request.dtype);
  request.json = values.contains("json");
  std::error_code unreadable;
  if (!std::filesystem::is_directory(request.objects, unreadable))
    throw UserError("There is no folder '" + request.objects.string() + "'; --objects takes the folder RUN/objects of a run.");
  return request;
}

/// An object of the store.
struct Object {
  std::string key, bytes;
  std::string kind;  ///< the entry of its metadata that describes it: "edit", "batch_edit", "mask", another, or ""

  std::string name() const { return "The object " + key; }
};

Object find_object(ObjectStore const& objects, std::string const& prefix) {
  Object object;
  object.key = objects.find(prefix);
  auto bytes = objects.get(object.key);
  if (!bytes) throw UserError(object.name() + " is damaged. Run the study again; it will be computed again.");
  object.bytes = std::move(*bytes);
  try {
    auto const metadata = SafetensorsFile::parse(object.bytes, object.name()).metadata();
    if (metadata.size() == 1) object.kind = metadata.begin()->first;
  } catch (UserError const&) {
    // Not all objects are tensors; this one is neither an edit nor a mask.
  }
  return object;
}

[[noreturn]] void refuse_kind(Object const& object, std::string const& wanted) {
  auto const is_mask = object.kind == "mask", is_edit = object.kind == "edit" || object.kind == "batch_edit";
  throw UserError(object.name() + " is not " + wanted + ", but " +
                  (is_mask ? "a mask; give it with --mask."
                   : is_edit
                       ? "an edit; give it with --edits."
                       : "something else of the run. Keys of edits are in study.h5, table 'edits', column 'object', those of "
                         "masks in table 'conditions', column 'mask_key'."));
}

void expect_shape(CausalLM const& model, std::string const& what, int layer, std::int64_t out, std::int64_t in) {
  require_layer(model, layer, what);
  auto const& config = model.config();
  if (out == config.hidden && in == config.inner) return;
  throw ShapeError(fmt::format(
      "{} belongs to another model: for layer {} it has the shape [{}, {}], but the model's matrix [out, in] is [{}, {}]. "
      "Give the model that was edited.",
      what, layer, out, in, config.hidden, config.inner));
}

/// Warns of a fact that was not edited.
void warn(EditOutcome const& fact) {
  if (!fact.failure.empty())
    log_warning(fmt::format("The fact with case_id {} is not written: its edit failed ({}).", fact.case_id, fact.failure));
}

/// The deltas of one --edits key.
std::vector<WeightDelta> deltas_of(Object object) {
  if (object.kind == "batch_edit") {
    auto edit = batch_edit_from_bytes(std::move(object.bytes), object.name());
    for (auto const& fact : edit.facts) warn(fact);
    return edit.deltas;
  }
  if (object.kind != "edit") refuse_kind(object, "an edit");
  auto const edit = edit_from_bytes(std::move(object.bytes), object.name());
  warn(edit);
  if (!edit.failure.empty()) return {};
  return {{edit.layer, edit.left, edit.right, {}}};
}

/// What all edits together add, by layer.
std::map<int, WeightDelta> sum_of_edits(CausalLM const& model, ObjectStore const& objects, Words const& keys) {
  std::map<int, WeightDelta> sums;
  std::set<std::string> known;
  for (auto const& prefix : keys) {
    auto object = find_object(objects, prefix);
    auto const name = object.name();
    if (!known.insert(object.key).second) throw UserError(name + " is given twice to --edits. Keep one.");
    for (auto const& delta : deltas_of(std::move(object))) {
      bool const dense = delta.dense.defined();
      expect_shape(model, name, delta.layer, dense ? delta.dense.size(0) : delta.left.size(1),
                   dense ? delta.dense.size(1) : delta.right.size(1));
      auto const [place, is_first] = sums.try_emplace(delta.layer, delta);
      if (!is_first) place->second = sum(place->second, delta);
    }
  }
  return sums;
}

SharedMask find_mask(CausalLM const& model, ObjectStore const& objects, std::string const& prefix) {
  auto object = find_object(objects, prefix);
  if (object.kind != "mask") refuse_kind(object, "a mask");
  auto mask = shared_mask_from_bytes(std::move(object.bytes), object.name());
  for (auto layer : mask.layers)
    expect_shape(model, object.name(), layer, mask.soft.size(0) / std::ssize(mask.layers), mask.soft.size(1));
  return mask;
}

/// The second projections that differ from the model's, [out, in] by layer: edited ones in float32.
std::map<int, at::Tensor> exported_projections(CausalLM const& model, ExportRequest const& request) {
  ObjectStore const objects(request.objects);
  auto const edits = sum_of_edits(model, objects, request.edits);
  std::optional<SharedMask> mask;
  if (request.mask) mask = find_mask(model, objects, *request.mask);

  std::map<int, at::Tensor> plain;
  std::vector<WeightDelta> deltas;
  for (auto const& [layer, delta] : edits) {
    plain[layer] = model.projection(layer).weight.to(at::kFloat);
    deltas.push_back(delta);
  }
  auto weights = edited_weights(*model.with_projections(std::move(plain)), deltas);
  return mask ? masked_projections(model, std::move(weights), mask->layers, mask->keep(request.cut)) : weights;
}

std::string json_of(TensorChange const& change) {
  return json_line({{"tensor", change.name},
                    {"file", change.file},
                    {"shape", change.shape},
                    {"dtype", change.dtype},
                    {"norm", change.norm},
                    {"relative", change.relative},
                    {"largest", change.largest},
                    {"sha256_before", change.sha256_before},
                    {"sha256_after", change.sha256_after}}) +
         "\n";
}

std::string text_of(TensorChange const& change) {
  std::array<char, 128> numbers{};
  std::snprintf(numbers.data(), numbers.size(), "  norm of the change %.6g (%.4g %% of the old), largest entry %.6g\n",
                change.norm, 100 * change.relative, change.largest);
  return change.name + " [" + join(change.shape, ", ") + "] " + change.dtype + " in " + change.file + "\n" + numbers.data() +
         "  SHA-256 before " + change.sha256_before + "\n  SHA-256 after  " + change.sha256_after + "\n";
}

std::string json_of(AdapterPart const& part) {
  return json_line({{"module", part.module},
                    {"rank", part.rank},
                    {"norm", part.norm},
                    {"relative", part.relative},
                    {"lost", part.lost}}) +
         "\n";
}

std::string text_of(AdapterPart const& part) {
  return fmt::format("{} rank {}\n  norm of the change {:.6g} ({:.4g} % of the matrix), left out {:.4g} %\n", part.module,
                     part.rank, part.norm, 100 * part.relative, 100 * part.lost);
}

template <typename Parts>
CommandResult result_of(Parts const& parts, bool json) {
  CommandResult result;
  for (auto const& part : parts) result.output += json ? json_of(part) : text_of(part);
  return result;
}

std::vector<AdapterPart> export_adapter(CausalLM const& model, ExportRequest const& request) {
  require_outside(request.out, request.model);
  std::vector<WeightDelta> changes;
  for (auto const& [layer, change] : sum_of_edits(model, ObjectStore(request.objects), request.edits)) changes.push_back(change);
  return write_adapter(model, changes, *request.adapter, request.out);
}

CommandResult run_export(po::variables_map const& values, Environment const&) {
  auto const request = export_request_of(values);
  auto const checkpoint = Checkpoint::open(request.model);
  auto const model = load_as_stored(checkpoint);
  if (request.adapter) return result_of(export_adapter(*model, request), request.json);
  auto const projections = exported_projections(*model, request);
  return result_of(rewrite_checkpoint(checkpoint, *model, projections, request.dtype, request.out), request.json);
}

}  // namespace

Command export_command() {
  Command command{
      "export",
      "--model FOLDER --objects DIR [--edits KEY ...] [--mask KEY --threshold T | --adapter] --out FOLDER "
      "[options]",
      "Prints the tensors that changed. A KEY, or at least 6 of its first digits, is in RUN/study.h5: of an edit in\n"
      "table 'edits', column 'object'; of a mask in table 'conditions', column 'mask_key'. Edits add up.",
      "  onemask export --model checkpoints/gpt2-xl --objects results/study/objects --edits 3f9a1c --out edited\n"
      "  onemask export --model checkpoints/gpt2-xl --objects results/study/objects --edits 3f9a1c --mask 81d2e0 \\\n"
      "    --threshold 0.7 --dtype float16 --out restored\n"
      "  onemask export --model checkpoints/gpt2-xl --objects results/study/objects --edits 3f9a1c --adapter --out lora\n",
      0,
      false,
      no_options(),
      run_export};
  auto const text = [](char const* name) { return po::value<std::string>()->value_name(name); };
  command.options->add_options()                                                                                     //
      ("model", text("FOLDER"), "checkpoint that was edited, as save_pretrained writes it; required")                //
      ("objects", text("FOLDER"), "where the run keeps edits and masks; required")                                   //
      ("edits", po::value<Words>()->multitoken()->value_name("KEY ..."), "edits of one fact, or of many at once")    //
      ("mask", text("KEY"), "a mask, put on the edited matrices; without --edits on the model's own")                //
      ("threshold", text("T"), "the mask keeps entries that are at least T; or --zeros")                             //
      ("zeros", text("Z"), "in its place: the share of entries that become zero, the smallest ones")                 //
      ("out", text("FOLDER"), "written whole or not at all; must be absent or empty; required")                      //
      ("dtype", text("T")->default_value("keep"), "of the weights: keep (as they are), float32, float16, bfloat16")  //
      ("adapter", "write a LoRA adapter for PEFT instead of a checkpoint")                                           //
      ("rank", text("R"), "with --adapter: at most of this rank; needed for edits that are matrices (ft-l)")         //
      ("base-model", text("NAME"), "with --adapter: what PEFT shall load; --model by default")                       //
      ("json",
       "one JSON object per line: tensor, file, shape, dtype, norm, relative, largest, sha256_before, sha256_after; "
       "of an adapter module, rank, norm, relative, lost");
  return command;
}

}  // namespace onemask
