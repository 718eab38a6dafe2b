#!/usr/bin/env python3
"""Makes the runs that other tests compare with, once for a build of the program."""

import sys
import tempfile
from pathlib import Path

from subjects import memit, rome  # which makes the scripts of tests/sweep known
from tiny_world import make_world
from undisturbed import remove_older_runs


def main() -> int:
    remove_older_runs()
    with tempfile.TemporaryDirectory(prefix="onemask-") as name:
        folder = Path(name)
        study = make_world(folder / "world")
        for subject in (rome(study, folder), memit(study, folder)):
            print(f"{subject.name}: {len(subject.objects)} objects, {sum(subject.seconds.values()):.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
