#include "commands/known_commands.hpp"

#include <onemask/core/error.hpp>
#include <onemask/core/text.hpp>

namespace onemask {

std::vector<KnownCommand> const& known_commands() {
  static std::vector<KnownCommand> const commands{
      {"sweep", "Runs a study, or the rest of it: edits, masks, scores, study.h5. Prints the results."},
      {"plan", "Shows the tasks of a study, which of them are done and how long the rest will take. Writes RUN/plan.json."},
      {"status",
       "Shows the progress of a run, its state and its failed tasks. It only reads files, from any node that sees RUN."},
      {"edit", "Runs only the edits of a study."},
      {"mask", "Runs a study up to the trained masks."},
      {"eval", "Runs a study up to the scores; 'onemask gather' then writes study.h5."},
      {"gather", "Writes RUN/study.h5 from the results so far, and prints them."},
      {"report", "Prints the results in RUN/study.h5, and draws them."},
      {"test", "Compares two conditions of RUN/study.h5 on the same facts: intervals, tests, and what they say in words."},
      {"overlap",
       "Shows how far the masks of a run set the same entries to zero, where these lie, and what they take away of the edits."},
      {"tune", "Finds layers and settings of an editing method for a new model, on facts that no split of the study has."},
      {"stats", "Computes the second moments of keys that ROME and MEMIT need, for all layers in one pass, or imports them."},
      {"tokenize", "Prints the token ids of texts, and below them the tokens."},
      {"predict", "Prints the likeliest next tokens after prompts."},
      {"known", "Lists the facts of a study that its unedited model knows, by relation."},
      {"export", "Writes an edited or masked model as a Hugging Face checkpoint."},
      {"pretrain", "Trains a GPT-2 or Llama from scratch on statements of facts and text; writes a Hugging Face folder."},
      {"world", "Writes a small world of invented facts, to train a model and to edit it."},
      {"doctor", "Checks what a run needs, before it costs hours: program, ranks, devices, disk, study."},
      {"keys", "Lists the keys of study files with their defaults, values and meaning."}};
  return commands;
}

KnownCommand const& known_command(std::string const& name) {
  std::vector<std::string> names{"--help", "--version", "--build-info"};
  for (auto const& command : known_commands()) {
    if (command.name == name) return command;
    names.push_back(command.name);
  }
  throw UserError("onemask has no command '" + name + "'." + did_you_mean(name, names) + " See 'onemask --help'.");
}

}  // namespace onemask
