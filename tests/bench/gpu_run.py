#!/usr/bin/env python3
"""Unpacks what gpu_pack.py packed, tests and measures it on this machine's GPU, and prints a table; see gpu.sh.

    gpu_run.py [--pack build/gpu/pack.tar.xz] [--out FOLDER] [--minutes 8] [--parts tests program speed] [--rehearse]
"""

import argparse
import concurrent.futures
import ctypes.util
import dataclasses
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from gpu_pack import THERE

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TASKS = {"edit": "edits / s", "mask": "facts · epochs / s", "evaluation": "facts · models / s"}
SUMMARY = re.compile(r"^\[  (PASSED |SKIPPED|FAILED )\s*\] (\d+) tests?[.,]", re.MULTILINE)
STUDY = """name: small
model: {{checkpoint: {root}/res/models/world-gpt2, device: "{device}"}}
facts:
  train: {{files: {root}/res/facts/train.json, per_relation: {facts}}}
  heldout: {{files: {root}/res/facts/heldout.json, per_relation: 1, relations: [W01]}}
edit: {{hparams: {root}/res/hparams/rome/world-gpt2.yaml, batch: {batch}, v_num_grad_steps: {steps}}}
mask: {{epochs: 2, batch: 10, learning_rate: 0.05, validation_share: 0}}
evaluation: {{paraphrases: false}}
"""
PEAKS = """
import json, sys, time, torch
device, size = torch.device(sys.argv[1]), int(sys.argv[2])
def wait():
    if device.type == "cuda": torch.cuda.synchronize()
def flops(dtype):
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(8):
        wait(); start = time.perf_counter(); a @ b; wait()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best
name = torch.cuda.get_device_name() if device.type == "cuda" else "the CPU"
print(json.dumps({"name": name, "torch": torch.__version__, "cuda": torch.version.cuda,
                  **{t: flops(getattr(torch, t)) for t in ("float32", "bfloat16")}}))
"""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What differs between the real thing and its rehearsal."""

    device: str  # of our programs
    peer_device: str
    shapes: tuple[str, ...]
    seconds: float  # that each measurement takes
    product: int  # size of the matrices whose product is the peak
    facts: int  # of each of ten relations in the small study
    steps: int  # of its searches
    batch: int  # facts edited at once, where memory is short
    limits: dict[str, str]  # variables that make it short


# The weights of the small study's model take 23 MB, a fact that is edited takes 2 MB more. 0.0012 of an H200 are 180 MB.
LITTLE_MEMORY = {"PYTORCH_CUDA_ALLOC_CONF": "per_process_memory_fraction:0.0012"}
REAL = Plan("cuda", "cuda", ("gpt2-xl", "llama-3.2-3b"), 3, 8192, 4, 45, 150, LITTLE_MEMORY)
REHEARSAL = Plan("pretend", "cpu", ("tiny-gpt2", "tiny-llama"), 0.1, 256, 1, 4, 10, {"ONEMASK_PRETEND_MEMORY": "28000000"})


@dataclasses.dataclass
class Ended:
    code: int  # 124: it took too long
    out: str
    err: str
    seconds: float

    def last_words(self) -> str:
        lines = [line for line in (self.err + self.out).splitlines() if line.strip()]
        return f"ended with {self.code} after {self.seconds:.0f} s: " + " | ".join(lines[-3:])[-400:]

    def json_lines(self) -> list[dict]:
        return [json.loads(line) for line in self.out.splitlines() if line.startswith("{")]


class Session:
    """Starts programs, ours with the libraries of the pack, and keeps what they said and what failed."""

    def __init__(self, plan: Plan, folder: Path, results: Path, minutes: float) -> None:
        self.plan, self.folder, self.results = plan, folder, results
        self.end = time.monotonic() + 60 * minutes
        self.failures: list[str] = []
        self.found: dict = {}
        mpi, build = folder / "mpi", folder / "build"
        folders = [folder / "lib", mpi / "lib", mpi / "lib" / "openmpi", *cuda_folders()]
        folders += filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":"))  # the driver's, perhaps
        self.ours = {
            **os.environ,
            "LD_LIBRARY_PATH": ":".join(map(str, folders)),
            "OPAL_PREFIX": str(mpi),
            "PATH": f"{mpi / 'bin'}:{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
            "GTEST_COLOR": "no",  # mpirun gives ranks a terminal
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
            "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
            "ONEMASK_SOURCE": str(ROOT),
        }
        if plan.device == "pretend":
            self.preload = {"LD_PRELOAD": str(build / "tests" / "libonemask_pretend.so")}
        else:
            self.preload = {}

    def left(self) -> float:
        return self.end - time.monotonic()

    def run(self, name: str, command: Sequence[object], seconds: float, environment: dict[str, str] | None = None) -> Ended:
        """Ends after so many seconds at most, with all that it started. What it says is kept in the results."""
        start = time.monotonic()
        log = self.results / (name.replace("/", "_").replace(" ", "_") + ".log")
        with open(log, "w+") as out, open(log.with_suffix(".err"), "w+") as err:
            try:
                process = subprocess.Popen(
                    list(map(str, command)), stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment, start_new_session=True
                )
                code = process.wait(max(1.0, min(seconds, self.left())))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                code = 124
            except OSError as error:
                err.write(str(error))
                code = 127
            out.seek(0), err.seek(0)
            return Ended(code, out.read(), err.read(), time.monotonic() - start)

    def fail(self, what: str) -> None:
        self.failures.append(what)
        print(f"FAILED: {what}", file=sys.stderr, flush=True)

    def say(self, what: str) -> None:
        print(f"[{self.left():4.0f} s left] {what}", file=sys.stderr, flush=True)


def cuda_folders() -> list[Path]:
    """Where LibTorch, CUDA and NCCL are: a package of Python, packages beside it, or the system's."""
    torch = importlib.util.find_spec("torch")
    if torch is None or torch.origin is None:
        sys.exit("This python3 has no PyTorch, from which LibTorch and CUDA are taken.")
    places = [Path(torch.origin).parent / "lib"]
    for folder in dict.fromkeys([str(Path(torch.origin).parents[1]), *sys.path]):
        places += sorted(Path(folder).glob("nvidia/*/lib"))
    return [*places, *sorted(Path("/usr/local").glob("cuda*/lib64"))]


def unpack(pack: Path, folder: Path) -> None:
    if not pack.exists():
        sys.exit(f"{pack} is missing: make it with 'tests/bench/gpu.sh pack' on the machine that has the build, and bring it along.")
    with tarfile.open(pack) as archive:
        archive.extractall(folder, filter="fully_trusted")


def check_libraries(session: Session) -> None:
    """Names everything that is missing at once, before each program says so by itself."""
    missing, lent = set(), set()
    torch = Path(importlib.util.find_spec("torch").origin).parents[1]
    for program in [*session.folder.glob("build/*"), *session.folder.glob("build/tests/*")]:
        if program.is_file() and program.name != "mpirun":
            said = session.run("libraries", ["ldd", program], 20, session.ours)
            missing |= set(re.findall(r"^\s*(\S+) => not found", said.out, re.MULTILINE))
            missing |= {line.split(": ", 1)[1] for line in (said.out + said.err).splitlines() if "version `" in line}
            for name, path in re.findall(r"^\s+(\S+) => (/\S+)", said.out, re.MULTILINE):
                if not THERE.fullmatch(name) and not any(Path(path).resolve().is_relative_to(place.resolve()) for place in (session.folder, torch)):
                    lent.add(name)
    if missing:
        session.fail(f"libraries that this machine lacks: {', '.join(sorted(missing))}")
    if lent and session.plan.device == "pretend":
        session.fail(f"libraries that the pack lacks, and that another machine may lack: {', '.join(sorted(lent))}")
    if session.plan.device == "cuda" and ctypes.util.find_library("cuda") is None:
        session.say("ldconfig knows no libcuda.so: there may be no driver")


def run_tests(session: Session) -> None:
    rehearsed = session.plan.device == "pretend"
    tests = json.loads((session.folder / "tests.json").read_text())
    if rehearsed:  # without a GPU one type is skipped as the others are
        tests = [test for test in tests if not test["name"].endswith(("/gpu_bfloat16", "/gpu_float16"))]
    else:
        tests = [test for test in tests if not test["rehearsal"]]
    places = {"{build}": str(session.folder / "build"), "{source}": str(ROOT)}
    end = time.monotonic() + 150

    def run(test: dict) -> tuple[dict, Ended]:
        words = test["command"]
        for place, path in places.items():
            words = [word.replace(place, path) for word in words]
        return test, session.run(test["name"], words, end - time.monotonic(), session.ours | test["environment"])

    counts = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0}
    rows = []
    with concurrent.futures.ThreadPoolExecutor(max(2, min(6, (os.cpu_count() or 1) // 2))) as pool:
        for test, ended in pool.map(run, tests):
            cases = {kind.strip(): int(number) for kind, number in SUMMARY.findall(ended.out)}
            no_gpu = rehearsed and "The device 'cuda' was requested, but" in ended.out
            if no_gpu:
                cases = {"SKIPPED": 1}
            for kind in cases:
                counts[kind] += cases[kind]
            rows.append({"name": test["name"], "code": ended.code, "seconds": ended.seconds, "cases": cases})
            if not no_gpu and (ended.code != 0 or "FAILED" in cases or not cases):
                why = re.findall(r"^\[  FAILED  \] (\w\S*\.[^\s,]+)", ended.out, re.MULTILINE)
                session.fail(f"{test['name']}: {', '.join(sorted(set(why)))} {ended.last_words()}")
    session.found["tests"] = {"counts": counts, "programs": rows}
    session.say(f"tests: {counts['PASSED']} passed, {counts['FAILED']} failed, {counts['SKIPPED']} skipped")


def run_program(session: Session) -> None:
    """The whole program: doctor, a small study twice, and its edits with little memory."""
    plan, program = session.plan, session.folder / "build" / "onemask"
    ours = session.ours | session.preload
    doctor = session.run("doctor", [program, "doctor", "--device", plan.device], 60, ours)
    if doctor.code != 0:
        session.fail(f"doctor {doctor.last_words()}")

    study = session.folder / "study.yaml"

    def sweep(name: str, facts: int, batch: int, words: Sequence[str], limits: dict[str, str]) -> tuple[Ended, dict[str, bytes]]:
        study.write_text(STUDY.format(root=ROOT, device=plan.device, facts=facts, batch=batch, steps=plan.steps))
        folder = session.folder / name
        command = [program, words[0], study, "--out", folder, *words[1:]]
        ended = session.run(name, command, 60, ours | limits)
        if ended.code != 0:
            session.fail(f"{name} {ended.last_words()}")
        return ended, {file.name: file.read_bytes() for file in folder.glob("objects/??/*")}

    first, objects = sweep("small study", plan.facts, 16, ["sweep"], {})
    second, again = sweep("small study again", plan.facts, 16, ["sweep"], {})
    same = sum(again.get(name) == content for name, content in objects.items())
    if len(objects) < 10 or same < len(objects):
        session.fail(f"the small study has {len(objects)} results, of which {same} have the same bits in a second run")
    little, _ = sweep("little memory", max(plan.facts, plan.batch // 10), plan.batch, ["edit"], plan.limits)
    halved = "too little memory to edit" in little.err
    if little.code == 0 and not halved:
        session.fail("memory was not short where it should have been, so that no batch was halved")
    session.found["program"] = {"study_seconds": [first.seconds, second.seconds], "results": len(objects), "same": same, "halved": halved}
    session.say(f"program: {same} of {len(objects)} results with the same bits again; a batch too large was halved: {halved}")


def place_of_models(folder: Path) -> Path:
    """Memory where there is enough of it for gigabytes of weights."""
    memory = Path("/dev/shm")
    fits = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 16e9
    return memory if fits else folder


def measure_speed(session: Session) -> None:
    plan = session.plan
    peaks = session.run("product", [sys.executable, "-c", PEAKS, plan.peer_device, plan.product], 60)
    if peaks.code != 0:
        return session.fail(f"the product of matrices {peaks.last_words()}")
    session.found["machine"] = peaks.json_lines()[-1]
    with tempfile.TemporaryDirectory(dir=place_of_models(session.folder)) as place:
        folders = {}
        for shape in plan.shapes:
            words = [HERE / "random_model.py", shape, Path(place) / shape, "--device", plan.peer_device]
            made = session.run(f"make {shape}", [sys.executable, *words], 60)
            if made.code != 0:
                session.fail(f"{shape} could not be made: {made.last_words()}")
            else:
                folders[shape] = Path(place) / shape
        work = [(shape, dtype, folder) for dtype in ("bfloat16", "float32") for shape, folder in folders.items()]
        # One after the other, unless only the rehearsal counts.
        with concurrent.futures.ThreadPoolExecutor(1 if plan.device == "cuda" else 2) as pool:
            list(pool.map(lambda one: measure_shape(session, *one), work))


def measure_shape(session: Session, shape: str, dtype: str, folder: Path) -> None:
    plan, name = session.plan, f"{shape} {dtype}"
    words = [folder / "model", folder / "work"]
    ours = session.run(f"ours {name}", [session.folder / "build" / "bench_shapes", *words, plan.device, dtype, plan.seconds], 75, session.ours)
    peers = session.run(f"peers {name}", [sys.executable, HERE / "peer_shapes.py", *words, plan.peer_device, dtype, plan.seconds], 75)
    for who, ended in (("onemask", ours), ("the peers' code", peers)):
        if ended.code != 0:
            session.fail(f"{who}, {name}, {ended.last_words()}")
    lines = ours.json_lines()
    counted = {line["counted"]: line["flops"] for line in lines if "counted" in line}
    session.found.setdefault("speed", {})[name] = {
        "ours": {line["task"]: {**line, "flops": counted.get(line["task"])} for line in lines if "task" in line},
        "profiles": {line["profile"]: line for line in lines if "profile" in line},
        "peers": {(line["variant"], line["task"]): line for line in peers.json_lines()},
        "seconds": [ours.seconds, peers.seconds],
    }
    session.say(f"{name}: measured in {ours.seconds:.0f} and {peers.seconds:.0f} s")


def rate(line: dict | None) -> float | None:
    return line["n"] / line["seconds"] if line else None


def cell(value: float | None, form: str = ".3g") -> str:
    return "–" if value is None else format(value, form)


def speed_table(found: dict) -> list[str]:
    machine = found["machine"]
    peaks = {dtype: machine[dtype] for dtype in ("float32", "bfloat16")}
    lines = [
        f"{machine['name']}, PyTorch {machine['torch']}, CUDA {machine['cuda']}; product of matrices: "
        + ", ".join(f"{peak / 1e12:.3g} TFLOP/s in {dtype}" for dtype, peak in peaks.items()),
        "",
        "| model | type | task | unit | onemask | peers | mended | onemask / peers | onemask / mended | TFLOP/s | of the product "
        "in this type | of that in bfloat16 | memory, onemask [GB] | memory, peers [GB] | facts at once | steps, onemask | steps, peers |",
        "|" + "---|" * 17,
    ]
    for name, results in found["speed"].items():
        shape, dtype = name.split()
        for task, unit in TASKS.items():
            ours = results["ours"].get(task)
            peers = [results["peers"].get((variant, task)) for variant in ("peer", "mended")]
            rates = [rate(line) for line in (ours, *peers)]
            ratios = [rates[0] / other if rates[0] and other else None for other in rates[1:]]
            flops = ours["flops"] * rates[0] if ours and ours["flops"] else None
            shares = [flops / peaks[kind] if flops is not None else None for kind in (dtype, "bfloat16")]
            memory = [line["peak_bytes"] / 1e9 if line else None for line in (ours, peers[0])]
            cells = [*map(cell, rates + ratios), cell(flops / 1e12 if flops else None), *(cell(share, ".2%") for share in shares), *map(cell, memory)]
            cells += [cell(ours and ours["batch"], "d"), *(cell(line.get("steps") if line else None) for line in (ours, peers[0]))]
            lines.append(f"| {shape} | {dtype} | {task} | {unit} | " + " | ".join(cells) + " |")
    return lines


def profile_table(found: dict) -> list[str]:
    lines = []
    for name, results in found["speed"].items():
        for what, profile in results["profiles"].items():
            flops = f", {profile['flops'] / 1e9:.3g} GFLOP in products"
            lines += [
                "",
                f"{name}, {what}, {profile['facts']} facts: {1e3 * profile['seconds']:.2f} ms, of which the device works "
                f"{1e3 * profile['device_seconds']:.2f} ms; {profile['launches']} kernels, {profile['waits']} waits{flops}",
            ]
            for line in profile["lines"]:
                lines.append(f"    {1e3 * line['seconds']:9.3f} ms {line['calls']:6d} × {line['name'][:100]}")
    return lines


def report(session: Session) -> str:
    found, lines = session.found, []
    if "tests" in found:
        counts = found["tests"]["counts"]
        lines.append(f"Tests: {counts['PASSED']} passed, {counts['FAILED']} failed, {counts['SKIPPED']} skipped")
    if "program" in found:
        program = found["program"]
        lines.append(
            f"A small study: {program['results']} results in {program['study_seconds'][0]:.1f} s, {program['same']} with the same bits "
            f"in a second run; a batch that memory did not hold was halved: {'yes' if program['halved'] else 'no'}"
        )
    if "speed" in found:
        lines += ["", *speed_table(found), *profile_table(found)]
    lines += ["", *(f"FAILED: {failure}" for failure in session.failures)]
    return "\n".join(lines).rstrip() + f"\n{len(session.failures)} failures\n"


def for_json(found: object) -> object:
    """Keys that are pairs become words."""
    if isinstance(found, dict):
        return {" ".join(key) if isinstance(key, tuple) else key: for_json(value) for key, value in found.items()}
    return found


def main() -> int:
    parts = {"tests": run_tests, "program": run_program, "speed": measure_speed}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, default=ROOT / "build" / "gpu" / "pack.tar.xz")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT") or ROOT / "results" / "gpu"))
    parser.add_argument("--minutes", type=float, default=8, help="that it may take")
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--rehearse", action="store_true", help="on the pretend accelerator, with tiny models")
    options = parser.parse_args()
    results = options.out.resolve()
    results.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        unpack(options.pack, Path(scratch))
        session = Session(REHEARSAL if options.rehearse else REAL, Path(scratch), results, options.minutes - 0.2)
        check_libraries(session)
        for part in options.parts:
            try:
                parts[part](session)
            except Exception as error:  # the other parts are worth their minutes
                session.fail(f"{part}: {type(error).__name__}: {error}")
    (results / "gpu.json").write_text(json.dumps(for_json({**session.found, "failures": session.failures}), indent=1))
    text = report(session)
    (results / "gpu.md").write_text(text)
    print(text)
    return 1 if session.failures else 0


if __name__ == "__main__":
    sys.exit(main())
