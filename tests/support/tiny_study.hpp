#pragma once

#include "data/records.hpp"
#include "support/complaint.hpp"
#include "support/temporary_folder.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/study/study.hpp>

#include <string>

#include <gtest/gtest.h>

namespace onemask::test {

/// A folder with a study: 10 facts of P1 and 10 of P2 to train on, 5 of P3 held out, ROME at layer 1.
class StudyFolder : public testing::Test {
 protected:
  StudyFolder() {
    write_facts("train.json", 0, {"P1", "P2"}, 10);
    write_facts("heldout.json", 100, {"P3"}, 5);
    write_file_atomically(folder_ / "rome.yaml", hparams_text);
    write_study(study_text);
  }

  void write_facts(std::string const& name, int first, std::vector<std::string> const& relations, int each) const {
    auto records = nlohmann::json::array();
    for (auto const& relation : relations) {
      for (int i = 0; i < each; ++i, ++first)
        records.push_back(record(first, relation, std::string("S").append(std::to_string(first))));
    }
    write_records(folder_ / name, records);
  }
  void write_study(std::string const& text) const { write_file_atomically(folder_ / "study.yaml", text); }

  Study read(StudyOverrides const& overrides = {}) const { return read_study(folder_ / "study.yaml", overrides); }

  /// The message of the UserError that reading throws; empty when it reads.
  std::string complaint(StudyOverrides const& overrides = {}) const {
    return complaint_of([&] { read(overrides); });
  }
  std::string complaint_about(std::string const& text) const {
    write_study(text);
    return complaint();
  }

  static inline std::string const hparams_text =
      "alg_name: ROME\nlayers: [1]\nv_num_grad_steps: 5\nv_lr: 0.5\nv_loss_layer: 2\nv_weight_decay: 0.5\nclamp_norm_factor: 4\n"
      "kl_factor: 0.0625\n";
  static inline std::string const study_text =
      "name: tiny\nmodel:\n  checkpoint: model\nfacts:\n  train:\n    files: train.json\n  heldout:\n    files: [heldout.json]\n"
      "edit:\n  hparams: rome.yaml\nevaluation:\n  drop: false\n";

  TemporaryFolder folder_;
};

}  // namespace onemask::test
