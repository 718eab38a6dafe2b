"""Stands in for sbatch where commands of the documentation are tested: sbatch [--option[=value] ...] SCRIPT STUDY.yaml RUN [...]

Accepts what sbatch and the script would: options in one word, a script without errors of syntax that has #SBATCH lines, and a study
whose checkpoint, facts, settings and texts are there.
"""

import glob
import itertools
import re
import subprocess
import sys
from pathlib import Path

FILES = re.compile(r"^[^#\n]*?\b(?:checkpoint|files|hparams|edit\.hparams|text): *(\[[^\]]*\]|[^\s,}]+)", re.MULTILINE)


def files_of(study: Path) -> list[str]:
    """All names of files in a study, patterns among them."""
    return [name.strip("[] ") for value in FILES.findall(study.read_text()) for name in value.split(",")]


def main() -> None:
    words = sys.argv[1:]
    options = list(itertools.takewhile(lambda word: word.startswith("--"), words))
    script, study, _ = [Path(word) for word in words[len(options) :][:3]]
    for option in options:
        if not re.fullmatch(r"--[a-z-]+(=\S+)?", option):
            sys.exit(f"sbatch: '{option}' is no option.")
    subprocess.run(["bash", "-n", script], check=True)
    if not re.search(r"^#SBATCH --\S", script.read_text(), re.MULTILINE):
        sys.exit(f"sbatch: '{script}' has no #SBATCH line.")
    if not study.is_file():
        sys.exit(f"sbatch: there is no study '{study}'.")
    names = files_of(study)
    if not names:
        sys.exit(f"sbatch: '{study}' names no file.")
    for name in names:
        if not glob.glob(str(study.parent / name)):
            sys.exit(f"sbatch: the study '{study}' names '{name}', which is not there.")
    print("Submitted batch job 1")


main()
