#include <onemask/core/error.hpp>
#include <onemask/settings/edit_hparams.hpp>
#include <onemask/settings/make_field.hpp>

#include <algorithm>
#include <functional>

#include <fmt/core.h>

namespace onemask {
namespace {

/// A number, or 0 where the file says false or null.
Field<EditHparams> false_or(Field<EditHparams> field) {
  field.type = FieldType::number_or_false;
  field.bounds.words = "false or " + field.bounds.words;
  field.set = [set = field.set](EditHparams& hparams, YamlValue const& value) {
    auto const problem = set(hparams, value.is_null() || value.as<bool>() == false ? YamlValue("0") : value);
    return problem.starts_with("must be ") ? "must be false or " + problem.substr(8) : problem;
  };
  return field;
}

bool searches(EditHparams const& hparams) {
  return searches_values(hparams.method);
}
bool edits(EditHparams const& hparams) {
  return hparams.method != EditMethod::imported;
}
bool tunes(EditHparams const& hparams) {
  return hparams.method == EditMethod::ft_l;
}
bool in_batches(EditHparams const& hparams) {
  return edits_in_batches(hparams.method);
}

/// Pairs of a length and a count.
Field<EditHparams> template_lengths() {
  using Pairs = std::vector<std::pair<int, int>>;
  FieldInfo info{.name = "context_template_length_params", .type = FieldType::pairs};
  info.meaning = "sampled contexts: pairs of a length over 1 and a count";
  info.unit = "tokens";
  auto const take = [](EditHparams& hparams, Pairs const& pairs) -> std::string {
    auto const fine = [](auto const& pair) { return pair.first > 1 && pair.second >= 0; };
    if (!std::all_of(pairs.begin(), pairs.end(), fine)) return "must be pairs of a length over 1 and a count";
    hparams.context_template_length_params = pairs;
    return "";
  };
  auto const text = [](EditHparams const& hparams) { return yaml_text(hparams.context_template_length_params); };
  return make_field<Pairs, EditHparams>(std::move(info), take, text, text).enter(Enters::content).use_for(searches);
}

/// Adds `word` and the field's value to the line of the solve, where the method is this one.
Field<EditHparams> solved_by(EditMethod method, char const* word, Field<EditHparams> const& field) {
  auto const solved = [method](EditHparams const& hparams) { return hparams.method == method; };
  return field
      .in_line(Enters::solve, [solved, word, value = field.hashed](
                                  EditHparams const& hparams) { return solved(hparams) ? word + value(hparams) : ""; })
      .use_for(solved);
}

/// A setting of fine-tuning that names of earlier versions lack; they hold for its default.
Field<EditHparams> tuned_by(char const* word, Field<EditHparams> const& field) {
  return field.in_line(Enters::solve, [word, value = field.hashed](EditHparams const& hparams) {
    bool const standard = value(hparams) == value(EditHparams{});
    return tunes(hparams) && !standard ? word + value(hparams) : "";
  });
}

/// MEMIT's weight, with which values of ROME would be solved too; EMMET calls it a scale.
Field<EditHparams> moment_weight() {
  auto const field = number("mom2_update_weight", &EditHparams::mom2_update_weight, positive(), "",
                            "MEMIT: weight of the preserved keys' second moment; EMMET: scale of it");
  auto const used = [](EditHparams const& h) { return in_batches(h) && searches(h) && h.method != EditMethod::alphaedit; };
  return field
      .in_line(Enters::solve,
               [value = field.hashed](EditHparams const& h) {
                 if (h.method == EditMethod::alphaedit || h.method == EditMethod::ft_l) return std::string();
                 return (h.method == EditMethod::emmet ? " scale " : " lambda ") + value(h);
               })
      .use_for(used);
}

Fields<EditHparams> make_fields() {
  using Edit = EditHparams;
  auto const one_by_one = [](Edit const& h) { return searches(h) && !in_batches(h); };
  auto const adjusted = [](Edit const& h) { return h.mom2_adjustment && !edits_in_batches(h.method) ? " adjusted" : ""; };
  constexpr auto of_edits = Enters::edits;
  static constexpr std::array<Named<std::string_view>, 2> tokens{{{"subject_last", "subject_last"}, {"last", "last"}}};
  static constexpr std::array<Named<std::string_view>, 2> objectives{
      {{"target_new", "target_new"}, {"prompt_last", "prompt_last"}}};
  Fields<Edit> fields{
      choice("method", &Edit::method, edit_method_names, "of editing").enter(of_edits).use_for(edits),
      any_value(FieldType::wholes, "layers", &Edit::layers, "the edited ones, ascending; one for ROME and FT-L")
          .enter(of_edits)
          .must_be_given()
          .use_for(edits),
      choice("fact_token", &Edit::fact_token, tokens, "the token whose key is edited")
          .in_line(of_edits, " token ")
          .use_for(searches),
      number("v_num_grad_steps", &Edit::v_num_grad_steps, at_least(1), "", "forward passes of the search for a value")
          .in_line(of_edits, " steps ")
          .must_be_given_for(searches)
          .use_for(searches),
      number("v_lr", &Edit::v_lr, positive(), "", "learning rate of Adam for the value")
          .in_line(of_edits, " lr ")
          .must_be_given_for(searches)
          .use_for(searches),
      number("v_loss_layer", &Edit::v_loss_layer, {}, "", "the layer whose output is unembedded for the loss")
          .in_line(of_edits, " loss layer ")
          .must_be_given_for(searches)
          .use_for(searches),
      number("v_weight_decay", &Edit::v_weight_decay, {}, "", "times the norm of the change over the squared norm of the value")
          .in_line(of_edits, " decay ")
          .must_be_given_for(searches)
          .use_for(searches),
      number("clamp_norm_factor", &Edit::clamp_norm_factor, positive(), "",
             "the norm of the change stays under this times the norm of the value")
          .in_line(of_edits, " clamp ")
          .must_be_given_for(searches)
          .use_for(searches),
      number("kl_factor", &Edit::kl_factor, {}, "", "weight of the essence drift")
          .in_line(of_edits, " kl ")
          .must_be_given_for(searches)
          .use_for(searches),
      flag("mom2_adjustment", &Edit::mom2_adjustment, "ROME: the key is multiplied by the inverse second moment of keys")
          .in_line(of_edits, adjusted)
          .use_for(one_by_one),
      moment_weight(),
      solved_by(EditMethod::emmet, " lambda ",
                number("emmet_lambda", &Edit::emmet_lambda, at_least(0), "",
                       "EMMET: added to the diagonal where several keys must be met at once; 0: exactly met")),
      solved_by(EditMethod::alphaedit, " threshold ",
                number("nullspace_threshold", &Edit::nullspace_threshold, positive(), "",
                       "AlphaEdit: eigenvalues of the second moment below it span the null space")),
      solved_by(EditMethod::alphaedit, " ridge ", number("L2", &Edit::l2, positive(), "", "AlphaEdit: ridge of the solve")),
      solved_by(EditMethod::ft_l, " steps ",
                number("num_steps", &Edit::num_steps, at_least(1), "", "FT-L: forward passes at most"))
          .must_be_given_for(tunes),
      solved_by(EditMethod::ft_l, " lr ", number("lr", &Edit::lr, positive(), "", "FT-L: learning rate of Adam"))
          .must_be_given_for(tunes),
      solved_by(EditMethod::ft_l, " decay ", number("weight_decay", &Edit::weight_decay, at_least(0), "", "FT-L: of Adam"))
          .may_be_given_for(tunes),
      solved_by(EditMethod::ft_l, " constraint ",
                false_or(number("norm_constraint", &Edit::norm_constraint, at_least(0), "",
                                "FT-L: no entry moves farther; 0 or false: no constraint")))
          .must_be_given_for(tunes),
      tuned_by(" objective ",
               choice("objective_optimization", &Edit::objective_optimization, objectives,
                      "FT-L: target_new reads each token of the object behind those before it, prompt_last reads all "
                      "behind the prompt, as ROME's authors did"))
          .use_for(tunes),
      tuned_by(" batch ",
               number("batch_size", &Edit::batch_size, at_least(0), "facts",
                      "FT-L: per step, as the published code takes them, with num_steps passes; 0: one step a pass for "
                      "all. A file of another method says facts_per_model by it"))
          .use_for(tunes),
      template_lengths()};
  return fields;
}

}  // namespace

bool edits_in_batches(EditMethod method) {
  return method != EditMethod::rome && method != EditMethod::r_rome && method != EditMethod::imported;
}

bool searches_values(EditMethod method) {
  return method != EditMethod::ft_l && method != EditMethod::imported;
}

bool needs_moments(EditHparams const& h) {
  return edits_in_batches(h.method) ? h.method != EditMethod::ft_l : h.mom2_adjustment;
}

std::string to_string(EditMethod method) {
  return method == EditMethod::imported ? "imported" : name_of(edit_method_names, method);
}

void check_edited_layers(EditHparams const& h, std::string const& where) {
  auto const need = [&](bool fine, std::string const& what) {
    if (!fine) throw UserError(where + ": 'layers' must " + what + ".");
  };
  bool const single = !edits_in_batches(h.method) || h.method == EditMethod::ft_l;
  if (single) need(h.layers.size() == 1, "name exactly one layer for " + to_string(h.method));
  need(!h.layers.empty(), "name at least one layer");
  need(std::is_sorted(h.layers.begin(), h.layers.end(), std::less_equal<>()), "be ascending, each named once");
}

std::string describe(EditHparams const& h) {
  // What is found for a fact is the same for all methods but the ROMEs, and whatever is solved afterwards.
  bool const batch = edits_in_batches(h.method);
  auto const kind = !batch ? to_string(h.method) : h.method == EditMethod::memit_merge ? "merged values" : "values";
  return fmt::format("{} layer {}{}", kind, h.layer(), line_of(h, Enters::edits));
}

std::string describe_solve(EditHparams const& h) {
  auto text = to_string(h.method);
  for (auto layer : h.layers) text += fmt::format(" layer {}", layer);
  return text + line_of(h, Enters::solve);
}

template <>
Fields<EditHparams> const& fields_of<EditHparams>() {
  static auto const fields = make_fields();
  return fields;
}

}  // namespace onemask
