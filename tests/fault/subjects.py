"""The studies that are hit, and what an undisturbed run of them looks like."""

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sweep"))

from tiny_world import MEMIT_HPARAMS
from runs import Run
from undisturbed import SLOW, undisturbed

STAGE_OF_KIND = {
    "moments": "second moments",
    "edit": "edits",
    "solve": "batch edits",
    "mask": "masks",
    "evaluation": "evaluation",
    "perplexity": "perplexity",
}
START_UP, GATHER, END = "start-up", "gather", "end"
STAGES = [START_UP, *STAGE_OF_KIND.values(), GATHER]


def kind_of(task: str) -> str:
    return task.partition("/")[0]


class Subject:
    """A study, and what every run of it must come to."""

    def __init__(self, name: str, study: Path, folder: Path, *words: object):
        self.name, self.study, self.words = name, study, words
        run = undisturbed(name, study, folder, *words)
        self.expected = run.results()
        objects = run.objects()
        self.objects = {key: content for key, (_, content) in objects.items()}
        self.object_of_task = {record["task"]: record["object"] for record in run.records() if record["object"]}
        kinds = {key: kind_of(task) for task, key in self.object_of_task.items()}
        unknown = {kind_of(record["task"]) for record in run.records()} - set(STAGE_OF_KIND)
        if unknown:
            raise AssertionError(f"the campaign does not know which stage tasks of these kinds belong to: {unknown}")
        self.keys: dict[str, set[str]] = {stage: set() for stage in STAGE_OF_KIND.values()}
        for key, content in self.objects.items():
            if key in kinds:
                self.keys[STAGE_OF_KIND[kinds[key]]].add(key)
            elif not content.startswith(b"["):  # context templates, a JSON list, are a part of starting up
                self.keys["second moments"].add(key)
        self.keys = {stage: keys for stage, keys in self.keys.items() if keys}
        self.stages = [stage for stage in STAGES if stage in (START_UP, GATHER) or stage in self.keys]
        self.seconds = self._durations(run, {key: time for key, (time, _) in objects.items()})

    def objects_of(self, task: str) -> set[str]:
        """That a task makes; a task of several objects, which the journal does not name, makes those of its kind."""
        return {self.object_of_task[task]} if task in self.object_of_task else self.keys[STAGE_OF_KIND[kind_of(task)]]

    def _durations(self, run: Run, written: dict[str, int]) -> dict[str, float]:
        """How long each stage lasted."""
        seconds, before = {START_UP: 0.8}, (run.folder / "plan.json").stat().st_mtime_ns
        for stage, keys in self.keys.items():
            end = max(written[key] for key in keys)
            seconds[stage] = max(0.005, (end - before) / 1e9)
            before = max(before, end)
        return seconds | {GATHER: max(0.005, ((run.folder / "study.h5").stat().st_mtime_ns - before) / 1e9)}


def rome(study: Path, folder: Path) -> Subject:
    """Every edit by itself, masks of several seeds."""
    return Subject("rome", study, folder, *SLOW)


def memit(study: Path, folder: Path) -> Subject:
    """Second moments, values, several edited models, masks and perplexity."""
    world = study.parent
    choice = random.Random(5)
    words = ["".join(choice.choices("abcdefghijklmnopqrstuvwxyz", k=choice.randint(1, 8))) for _ in range(30000)]
    (world / "corpus.txt").write_text("\n\n".join(" ".join(words[first : first + 15]) for first in range(0, len(words), 15)))
    (world / "memit.yaml").write_text(MEMIT_HPARAMS.replace("v_num_grad_steps: 8", "v_num_grad_steps: 30"))
    text = study.read_text()
    for old, new in [("hparams: hparams.yaml", "hparams: memit.yaml"), ("  batch: 4\n", "  batch: 1\n"),
                     ("epochs: 4", "epochs: 30"), ("mask.seed: 0..2", "edit.mom2_update_weight: [0.5, 1, 2, 4]")]:  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    batch = world / "batch.yaml"
    batch.write_text(text + "moments: {text: corpus.txt, tokens: 150000, segment: 32}\n"
                     "perplexity: {text: corpus.txt, tokens: 2000, segment: 64, stride: 32}\n")  # fmt: skip
    return Subject("memit", batch, folder)
