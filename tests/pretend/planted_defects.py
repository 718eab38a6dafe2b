#!/usr/bin/env python3
"""Defects that a GPU or NCCL would meet, planted in the program one after the other: a test of the default tier finds each.

    planted_defects.py check                          # each can be planted: its text stands in its file once
    planted_defects.py run [-C BUILD_DIR] [NAME...]   # plants, builds, tests, takes back

`run` changes the sources beside it and builds them, so give it a scratch copy of the tree that is built. A file with changes that
are not committed is left alone. A defect is found where the test fails with a sentence or an assertion; a time limit of ctest or
a compiler's error is not enough. Exits with 1 where a defect is not found, or a test fails without one.
"""

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Defect:
    name: str
    file: str
    old: str
    new: str
    target: str  # what ninja builds
    test: str  # of ctest


VALUE_SEARCH = "src/edit/value_search.cpp"
TWO_WAY = "src/model/two_way.cpp"
METRICS = "src/eval/metrics.cpp"
TRAINER = "src/mask/trainer.cpp"
TRAINING_SET = "src/mask/training_set.cpp"
NCCL_LIBRARY = "src/gpu/module/nccl_library.cpp"
NCCL_REDUCER = "src/compute/nccl_reducer.cpp"

DEFECTS = [
    # Tensors in the wrong place
    Defect("an index stays on the CPU", TWO_WAY, ".add(edit_).add(next_).add(", ".add(edit_).add(", "model", "model_waits_test"),
    Defect("an index of a micro-batch stays on the CPU", TRAINING_SET, ".add(last.tokens).add(edit).to(", ".add(last.tokens).to(",
           "mask", "mask_waits_test"),
    Defect("a mask stays on the CPU", METRICS, "condition.keep.to(model_->device(), model_->dtype())",
           "condition.keep.to(model_->dtype())", "eval", "eval_metrics_golden_test/pretend"),
    Defect("sums of second moments stay on the CPU", "src/moments/second_moment.cpp", ".dtype(at::kLong).device(device)",
           ".dtype(at::kLong).device(device.is_cpu() ? device : at::Device(at::kCPU))", "moments", "moments_second_moment_golden_test/pretend"),
    Defect("a tensor is made on the current device, not the model's", "src/model/pass.cpp", ".device(model_.device()));",
           ".device(model_.device().type()));", "model", "model_logits_golden_test/pretend"),
    Defect("theta goes to the current device, not the model's", TRAINER, "theta.to(facts.original().device(), at::kFloat)",
           "theta.to(facts.original().device().type(), at::kFloat)", "mask", "mask_trainer_golden_test/pretend"),
    Defect("sums do not come back from the host", "src/compute/reducer.cpp", "if (!target.is_same(*host)) target.copy_(*host);",
           "target.is_same(*host);", "pretend", "pretend_placement_test"),
    # Memory that the host reads
    Defect("losses are read before they have come", VALUE_SEARCH, "at::stack(columns).to(at::kCPU);",
           "at::stack(columns).to(at::kCPU, /*non_blocking=*/true);", "edit", "edit_waits_test"),
    Defect("scores are read before they have come", TWO_WAY, "sum(read, new_)}).to(at::kCPU);",
           "sum(read, new_)}).to(at::kCPU, /*non_blocking=*/true);", "model", "model_waits_test"),
    Defect("the host reads a device's memory", METRICS, "                           .to(at::kCPU);\n  auto const kl = ", ";\n  auto const kl = ",
           "eval", "eval_metrics_golden_test/pretend"),
    Defect("a sum begins with memory that nobody has set", TWO_WAY, "at::zeros({prompts_}, values.options())",
           "at::empty({prompts_}, values.options())", "model", "model_waits_test"),
    # Bits
    Defect("micro-batches are summed as floats", TRAINER, "total.add_(to_fixed_point(leaf.grad().to(at::kFloat), gradient_bits));",
           "total.copy_(to_fixed_point(from_fixed_point(total, gradient_bits, at::kFloat) + leaf.grad().to(at::kFloat), gradient_bits));",
           "mask", "mask_trainer_test/np2"),
    Defect("MPI sums integers as doubles", "src/comm/mpi_sums.cpp", "MPI_INT64_T, MPI_SUM", "MPI_DOUBLE, MPI_SUM", "compute",
           "compute_reducer_test/np2"),
    Defect("NCCL sums integers as doubles", NCCL_LIBRARY, "ncclInt64, ncclSum", "ncclFloat64, ncclSum", "compute",
           "compute_pretend_nccl_test/threads2"),
    Defect("sums by index are left to chance", "src/model/causal_lm.cpp", "  use_repeatable_sums(placement.device);\n",
           "  if (placement.device.is_cuda()) use_repeatable_sums(placement.device);\n", "pretend", "pretend_placement_test"),
    # Waits
    Defect("an item() in every step of a search", VALUE_SEARCH, "auto const norm = delta.norm(2, {1}, true);",
           "auto const norm = delta.norm(2, {1}, true);\n    if (norm.max().item<double>() > 1e30) break;", "edit", "edit_waits_test"),
    Defect("a copy for each index of a micro-batch", "src/model/layout.cpp", "auto const moved = at::cat(flat).to(device).split_with_sizes(sizes);",
           "std::vector<at::Tensor> moved;\n  for (auto const& tensor : flat) moved.push_back(tensor.to(device));", "mask",
           "mask_waits_test"),
    # Memory
    Defect("facts that do not fit are not halved", "include/onemask/edit/fit_memory.hpp", "if (requests.size() <= 1) throw;", "throw;",
           "edit", "edit_waits_test"),
    # NCCL
    Defect("errors of running sums are not looked at", NCCL_LIBRARY, "return result == ncclSuccess ? state : result;",
           "return result == ncclSuccess && state == ncclInProgress ? state : result;", "compute", "compute_pretend_nccl_test/threads2"),
    Defect("a thread's device is not set when a group is joined", NCCL_LIBRARY,
           "    c10::DeviceGuard const guard(device_);\n    ncclUniqueId id;", "    ncclUniqueId id;", "compute", "compute_nccl_device_test"),
    Defect("a thread's device is not set for a sum", NCCL_LIBRARY, "    c10::DeviceGuard const guard(device_);\n    stream_->follow();",
           "    stream_->follow();", "compute", "compute_nccl_device_test"),
    Defect("a thread's device is not set when a group is left", NCCL_LIBRARY,
           "    c10::DeviceGuard const guard(device_);\n    check_nccl(ncclCommFinalize", "    check_nccl(ncclCommFinalize", "compute",
           "compute_nccl_device_test"),
    Defect("a sum does not wait for what it sums", NCCL_LIBRARY, "    stream_->follow();\n", "", "compute", "compute_pretend_nccl_test/threads2"),
    Defect("finalize does not wait for the stream", NCCL_REDUCER, "!group_->complete();) {\n      group_->ready();", "!group_->ready();) {\n      group_->ready();",
           "compute", "compute_pretend_nccl_test/threads2"),
    Defect("sums left open are not told", NCCL_REDUCER, "} else if (sums_.empty()) {", "} else if (sums_.size() < 1000) {", "compute",
           "compute_pretend_nccl_test/threads2"),
    Defect("finalize does not hear of a lost partner", NCCL_REDUCER, "// or has failed\n      if (backoff.wait()) comm_.poll();",
           "// or has failed\n      backoff.wait();", "compute", "compute_nccl_reducer_test/np1"),
    Defect("memory is handed back while an aborted sum writes to it", NCCL_REDUCER, "if (!sums_.empty() && !comes_to_rest())",
           "if (sums_.size() > 1000)", "compute", "compute_pretend_nccl_test/threads2"),
]  # fmt: skip

# What a test says that fails: the sentence of a crash, a hang, or the first assertion and what it found.
FAILURES = re.compile(r"internal error: .*|It hangs: .*|(?:Failure|error: Failure)\n(?:.*\n){0,3}|C\+\+ exception with description \".*")


def problems() -> list[str]:
    found = []
    for defect in DEFECTS:
        file = SOURCE / defect.file
        count = file.read_text().count(defect.old) if file.exists() else 0
        if count != 1:
            found.append(f"{defect.file}: the text of '{defect.name}' stands there {count} times, not once: {defect.old!r}. "
                         "Change tests/pretend/planted_defects.py with the program.")  # fmt: skip
        if defect.old == defect.new:
            found.append(f"'{defect.name}' changes nothing.")
    names = [defect.name for defect in DEFECTS]
    found += [f"Two defects are called '{name}'." for name in sorted({name for name in names if names.count(name) > 1})]
    return found


def is_committed(file: str) -> bool:
    return not subprocess.run(["git", "status", "--porcelain", "--", file], cwd=SOURCE, capture_output=True, text=True, check=True).stdout


class Trial:
    """Builds and tests in a build folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def build(self, target: str) -> str:
        """What the compiler says where it fails."""
        result = subprocess.run(["ninja", "-C", self.folder, "-j", "2", f"tests/{target}_tests"], capture_output=True, text=True, check=False)
        return result.stdout + result.stderr if result.returncode else ""

    def failure(self, test: str) -> str | None:
        """What the test says that fails; None where it passes."""
        command = ["ctest", "--test-dir", self.folder, "-R", f"^{test}$", "--output-on-failure", "--no-tests=error"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode == 0:
            return None
        found = FAILURES.search(result.stdout)
        return " ".join(found[0].split()) if found and "***Timeout" not in result.stdout else "?"

    def outcome(self, defect: Defect) -> tuple[bool, str]:
        """Whether the defect is found, and by which words. A sound program comes first, last in the test before."""
        file = SOURCE / defect.file
        sound = file.read_text()
        try:
            file.write_text(sound.replace(defect.old, defect.new))
            if words := self.build(defect.target):
                return False, "it does not compile: " + " ".join(words.split())[-300:]
            said = self.failure(defect.test)
        finally:
            file.write_text(sound)
        if said is None:
            return False, "the test passes"
        return said != "?", "the test fails without a sentence" if said == "?" else said


def run(folder: Path, names: list[str]) -> bool:
    chosen = sorted((defect for defect in DEFECTS if not names or defect.name in names), key=lambda defect: defect.target)  # builds less
    if unknown := set(names) - {defect.name for defect in DEFECTS}:
        sys.exit(f"There is no defect called {', '.join(map(repr, sorted(unknown)))}.")
    if touched := sorted({defect.file for defect in chosen if not is_committed(defect.file)}):
        sys.exit(f"Commit or take back your changes of {', '.join(touched)} first: the defects are planted there.")
    trial = Trial(folder)
    fine = True
    for target in sorted({defect.target for defect in chosen}):
        if words := trial.build(target):
            sys.exit(f"The program does not compile without a defect:\n{words}")
    for test in sorted({defect.test for defect in chosen}):
        if (said := trial.failure(test)) is not None:
            sys.exit(f"The test {test} fails without a defect: {said}")
    print("| defect | file | found by | in these words |\n|---|---|---|---|", flush=True)
    for defect in chosen:
        found, words = trial.outcome(defect)
        fine = fine and found
        mark = "" if found else "NOT FOUND: "
        print(f"| {defect.name} | {defect.file} | {defect.test} | {mark}{words[:200]} |", flush=True)
    return fine


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["check", "run"])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("-C", dest="folder", type=Path, default=SOURCE / "build" / "release", metavar="BUILD_DIR")
    words = parser.parse_args()
    if found := problems():
        print("\n".join(found), file=sys.stderr)
        return 1
    return 0 if words.command == "check" or run(words.folder.resolve(), words.names) else 1


if __name__ == "__main__":
    sys.exit(main())
