"""Runs that nothing happens to, for tests that compare with them.

ONEMASK_UNDISTURBED names a folder that keeps them from test to test. They are found again by tests of the same program and scripts.
"""

import hashlib
import os
import shutil
from pathlib import Path

from runs import PROGRAM, Run

# Small tasks and many of them, so that every stage lasts long enough to be hit.
SLOW = ["--set", "edit.batch=1", "--set", "edit.v_num_grad_steps=40", "--set", "mask.epochs=60", "--set", "evaluation.batch=1"]


def hash_of_program_and_scripts() -> str:
    tests = Path(__file__).resolve().parents[1]
    programs = [PROGRAM, PROGRAM.with_name("onemask-compute")]
    content = hashlib.sha256()
    for file in [*programs, *sorted(tests.glob("sweep/*.py")), *sorted(tests.glob("fault/*.py"))]:
        content.update(file.read_bytes())
    return content.hexdigest()[:16]


def kept_runs() -> Path | None:
    folder = os.environ.get("ONEMASK_UNDISTURBED")
    return Path(folder) / hash_of_program_and_scripts() if folder else None


def undisturbed(name: str, study: Path, folder: Path, *words: object) -> Run:
    """A run of one rank that is complete: a kept one, or one made in `folder`. Only to be read."""
    kept = kept_runs()
    place = (kept or folder) / f"undisturbed {name}"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        run = Run(study, place.with_name(f"{place.name} of {os.getpid()}"), *words)
        start = run.start(1)
        if start.finish(600) != 0:
            raise AssertionError(start.said())
        run.folder.rename(place)
    return Run(study, place, *words)


def remove_older_runs() -> None:
    kept = kept_runs()
    for folder in kept.parent.iterdir() if kept and kept.parent.exists() else []:
        if folder != kept:
            shutil.rmtree(folder)
