"""Starts the program on a tiny world, watches it, and looks at what it left; for the tests in this folder."""

import json
import os
import signal
import subprocess
import tempfile
import time
import unittest
from collections.abc import Sequence
from pathlib import Path

import h5py

from tiny_world import make_world

PROGRAM = Path(os.environ["ONEMASK_PROGRAM"]).resolve()
MPIRUN = os.environ["ONEMASK_MPIRUN"]


class Start:
    """One start of the program: under mpirun, which may be given options, or of 0 ranks without it."""

    def __init__(self, ranks: int, *words: object, options: Sequence[str] = ()):
        self.count = max(1, ranks)
        self._said = tempfile.TemporaryFile("w+")
        launcher = [MPIRUN, *options, "-n", ranks, "--oversubscribe", "--bind-to", "none"] if ranks > 0 else []
        command = [*launcher, PROGRAM, *words]
        self.process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._said, start_new_session=True
        )

    def finish(self, seconds: float = 300) -> int:
        """The exit code, once. A start that takes longer is killed, and fails the test."""
        try:
            code = self.process.wait(seconds)
            self._text = self.said()
            self._said.close()
            return code
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self.process.kill()
            raise AssertionError(f"the program did not end within {seconds} s; it said:\n{self.said()}") from None

    def said(self) -> str:
        if self._said.closed:
            return self._text
        self._said.seek(0)
        return self._said.read()

    def ranks(self) -> list[int]:
        """Process ids of the ranks, in their order: programs started by this mpirun."""
        parents = dict(processes_and_parents())

        def is_descendant(process: int) -> bool:
            while process in parents and process != self.process.pid:
                process = parents[process]
            return process == self.process.pid

        return sorted((p for p in parents if is_descendant(p) and runs_program(p)), key=rank_of)

    def signal(self, number: int, rank: int | None = None) -> None:
        """To one rank, or to all."""
        ranks = self.ranks()
        send(ranks if rank is None else [ranks[rank]], number)


def processes_and_parents() -> list[tuple[int, int]]:
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit():
                found.append((int(folder.name), int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])))
        except OSError:
            pass  # it has ended meanwhile
    return found


def runs_program(process: int) -> bool:
    """Whether it is the program, or onemask-compute, which the program becomes."""
    try:
        return Path(f"/proc/{process}/exe").resolve(strict=True) in (PROGRAM, PROGRAM.with_name("onemask-compute"))
    except OSError:
        return False


def rank_of(process: int) -> int:
    try:
        variables = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    except OSError:
        return -1  # it has ended meanwhile
    return next((int(v.split(b"=")[1]) for v in variables if v.startswith(b"OMPI_COMM_WORLD_RANK=")), -1)


def living(processes: list[int]) -> list[int]:
    """Those of them that still run the program."""
    return [process for process in processes if runs_program(process)]


def send(processes: list[int], number: int) -> None:
    for process in processes:
        try:
            os.kill(process, number)
        except ProcessLookupError:
            pass  # it has ended by itself


def freeze(processes: list[int]) -> None:
    """So that what is seen of a run afterwards is the moment of the strike."""
    send(processes, signal.SIGSTOP)
    while any(state_of(process) in "RSD" for process in processes):
        time.sleep(0.0005)


def state_of(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "X"


def keep_traces_in(folder: Path) -> None:
    """What MPI leaves behind of killed ranks goes away with the folder, and does not hinder ranks of the same process numbers."""
    folder.mkdir()
    os.environ["TMPDIR"] = os.environ["OMPI_MCA_btl_sm_backing_directory"] = str(folder)


class Run:
    """The folder of a run, and starts of it."""

    def __init__(self, study: Path, folder: Path, *words: object):
        self.folder = folder
        self.words = ["sweep", study, "--out", folder, *words]

    def start(self, ranks: int, *words: object, options: Sequence[str] = ()) -> Start:
        return Start(ranks, *self.words, *words, options=options)

    def objects(self) -> dict[str, tuple[int, bytes]]:
        """When each was written, and its bytes."""
        return {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in self.object_files()}

    def object_files(self) -> list[Path]:
        return [file for file in (self.folder / "objects").glob("??/*") if len(file.name) == 64]

    def checkpoints(self) -> list[Path]:
        return sorted((self.folder / "checkpoints").glob("[!.]*.safetensors"))

    def journals(self) -> list[Path]:
        """From the oldest start to the newest."""
        return sorted((self.folder / "journal").glob("*.jsonl"), key=lambda file: int(file.stem.split("-")[2]))

    def records(self) -> list[dict]:
        """What its journals say; a torn line says nothing."""
        records = []
        for file in self.journals():
            for line in file.read_text().splitlines():
                checksum, _, text = line.partition(" ")
                if len(checksum) == 16 and text.endswith("}"):
                    records.append(json.loads(text))
        return records

    def done(self, kind: str) -> list[str]:
        """Names of the tasks of a kind ("edit") that its journals call done, from the oldest start to the newest."""
        return [r["task"] for r in self.records() if r["status"] == "done" and r["task"].startswith(kind + "/")]

    def results(self) -> "Results":
        return Results(self.folder / "study.h5")


class Results:
    """What study.h5 holds."""

    def __init__(self, file: Path):
        self.values: dict[str, tuple] = {}
        with h5py.File(file) as study:
            self.attributes = dict(study.attrs)
            study.visititems(self._read)

    def _read(self, name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            bits = item[()].tolist() if item.dtype.kind in "OS" else item[()].tobytes()
            self.values[name] = (item.shape, str(item.dtype), bits, sorted((k, str(v)) for k, v in item.attrs.items()))

    def without_provenance(self) -> dict[str, tuple]:
        return {name: value for name, value in self.values.items() if not name.startswith("provenance/")}

    def texts(self, name: str) -> list[str]:
        return [text.decode() for text in self.values[name][2]]


class WorldTest(unittest.TestCase):
    """Tests on one tiny world, in a folder of the class."""

    @classmethod
    def setUpClass(cls) -> None:
        cls._temporary = tempfile.TemporaryDirectory(prefix="onemask-")
        cls.addClassCleanup(cls._temporary.cleanup)
        cls.folder = Path(cls._temporary.name)
        cls.study = make_world(cls.folder / "world")

    def expect_ends(self, start: Start, code: int, seconds: float = 300) -> str:
        """What the program said."""
        ended = start.finish(seconds)
        self.assertEqual(ended, code, start.said())
        return start.said()

    def expect_same_results(self, results: Results, expected: Results) -> None:
        """Complete, and equal in all but the provenance."""
        self.assertEqual(results.attributes["status"], "COMPLETE")
        self.assertEqual(results.attributes["results_sha256"], expected.attributes["results_sha256"])
        self.assertEqual(results.without_provenance(), expected.without_provenance())

    def comes_to(self, start: Start, condition, seconds: float = 120) -> bool:
        """Waits for a condition; whether it came before the program ended."""
        end = time.monotonic() + seconds
        while not condition():
            if start.process.poll() is not None:
                return False
            if time.monotonic() > end:
                start.finish(0)
            time.sleep(0.002)
        return True

    def wait_until(self, start: Start, condition, what: str, seconds: float = 120) -> None:
        if not self.comes_to(start, condition, seconds):
            self.fail(f"the program ended before {what}:\n{start.said()}")
