#pragma once

#include "doctor/rank_facts.hpp"
#include <onemask/doctor/examination.hpp>
#include <onemask/study/study.hpp>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace onemask {

// The sections of the doctor's report. Collective.

/// The program and its libraries.
void examine_program(Examination& examination);
/// The job that the ranks run in; no section outside of SLURM.
void examine_slurm_job(Examination& examination);
/// The study that `read` gives, its checkpoint, tokenizer and facts; weights are not loaded. Nothing where it cannot be read.
std::optional<Study> examine_study(Examination& examination, std::function<Study()> const& read);
/// Hosts, cores, memory, devices, and sums over all ranks; with the threads and devices that the study asks for.
void examine_machine(Examination& examination, ModelOptions const& model);
/// What a run does to its folder; `holds_results`: an HDF5 file is tried as well.
void examine_folder(Examination& examination, std::string const& title, std::filesystem::path const& folder, bool holds_results);

}  // namespace onemask
