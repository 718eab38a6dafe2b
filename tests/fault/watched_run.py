"""A run whose folder is looked at between its starts: nothing that is whole may change, nothing may be done twice."""

import shutil
import time
from collections import Counter
from pathlib import Path

from runs import Run, processes_and_parents, runs_program
from subjects import END, GATHER, START_UP, Subject


def doing(process: int) -> str:
    """What the kernel says that the threads of a process do: states, and what they wait in."""
    try:
        threads = sorted(Path(f"/proc/{process}/task").iterdir())
        states = [(thread / "stat").read_text().rsplit(")", 1)[1].split()[0] for thread in threads]
        return ", ".join(f"{state} in {(thread / 'wchan').read_text()}" for state, thread in zip(states, threads))
    except OSError:
        return "it has ended now"


class WatchedRun(Run):
    def __init__(self, subject: Subject, folder: Path, study: Path | None = None):
        super().__init__(study or subject.study, folder, *subject.words)
        self.subject = subject
        self.history: list[str] = []  # what happened to it
        self._know_nothing()

    def _know_nothing(self) -> None:
        self._whole: dict[str, tuple[int, int]] = {}  # objects that were there at the last look: time and file
        self._spoiled: set[str] = set()  # objects that the trial damaged and nobody has made again
        self._damages: Counter[str] = Counter()
        self._torn_off: Counter[str] = Counter()  # done tasks of journal lines that the trial cut off
        self._states_before: set[tuple[int, int]] = set()
        self._results_before: set[tuple[int, int]] = set()

    def clear(self) -> None:
        shutil.rmtree(self.folder)
        self._know_nothing()

    def move(self, folder: Path) -> None:
        self.folder.rename(folder)
        self.words = [folder if word == self.folder else word for word in self.words]
        self.folder = folder

    # Before and while it runs.

    def before_start(self) -> None:
        self._states_before = self._versions("state*.json")
        self._results_before = self._versions("study.h5")

    def _versions(self, names: str) -> set[tuple[int, int]]:
        """Of files, when they were written and which they are."""
        found = set()
        for file in self.folder.glob(names):
            try:
                found.add((file.stat().st_mtime_ns, file.stat().st_ino))
            except FileNotFoundError:
                pass  # it was replaced meanwhile
        return found

    def share_left(self, stage: str) -> float:
        """Of the objects of a stage; all of a stage that makes none."""
        keys = self.subject.keys.get(stage)
        return len(keys - {file.name for file in self.object_files()}) / len(keys) if keys else 1

    def stages_under_way(self) -> list[str]:
        """What the present start is at, told from its files. Stages may overlap."""
        if not self._versions("state*.json") - self._states_before:  # the ranks still meet to begin
            return [START_UP]
        there = {file.name for file in self.object_files()}
        half_done = {file.name.removesuffix(".safetensors") for file in self.checkpoints()}
        missing = {stage: keys - there for stage, keys in self.subject.keys.items()}
        begun = [stage for stage, keys in missing.items() if keys and (keys != self.subject.keys[stage] or keys & half_done)]
        if begun:
            return begun
        for stage, keys in missing.items():
            if keys:
                return [stage]
        return [GATHER if self._versions("study.h5") == self._results_before else END]

    def processes(self) -> list[int]:
        """Of the program, in this folder, whoever is their parent."""
        found = []
        for process, _ in processes_and_parents():
            try:
                words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if str(self.folder).encode() in words and runs_program(process):
                found.append(process)
        return found

    # At rest.

    def damage_object(self, file: Path, content: bytes) -> None:
        file.write_bytes(content)
        self._whole.pop(file.name, None)
        self._spoiled.add(file.name)
        self._damages[file.name] += 1

    def tear_journal(self, file: Path, count: int) -> None:
        """Cuts bytes off its end."""
        before = Counter(self._done_tasks())
        file.write_bytes(file.read_bytes()[:-count])
        self._torn_off += before - Counter(self._done_tasks())

    def _done_tasks(self) -> list[str]:
        return [record["task"] for record in self.records() if record["status"] == "done"]

    def complaints(self, patience: float = 60) -> list[str]:
        """What a start that has ended should not have left or done."""
        end = time.monotonic() + patience
        while (left := self.processes()) and time.monotonic() < end:
            time.sleep(0.05)
        found = [f"process {process} is left: {doing(process)}" for process in left]
        whole = {}
        for file in self.object_files():
            key = file.name
            if key not in self.subject.objects:
                found.append(f"the object {key} is none of an undisturbed run")
            elif file.read_bytes() == self.subject.objects[key]:
                whole[key] = (file.stat().st_mtime_ns, file.stat().st_ino)
            elif key not in self._spoiled:
                found.append(f"the object {key} has other bytes than in an undisturbed run")
        rewritten = [key for key, was in self._whole.items() if whole.get(key) != was]
        found += [f"the object {key} was whole and was written again, or is gone" for key in rewritten]
        self._whole = whole
        self._spoiled -= set(whole)
        for task, times in (Counter(self._done_tasks()) + self._torn_off).items():
            if times > 1 + sum(self._damages[key] for key in self.subject.objects_of(task)):
                found.append(f"the task {task} was done {times} times")
        return found
