#!/usr/bin/env python3
"""Every relative link and #anchor in the pages of the project leads somewhere: links_test.py SOURCE

So does every page that a source, a script or a study names in a comment.
"""

import re
import sys
from pathlib import Path

ROOMS = ["docs", "include", "src", "tests", "launch", "res", "cmake", "results/reference"]
LINK = re.compile(r"\]\(([^()\s]+)\)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(.+?) *#*$", re.MULTILINE)
NAMED = re.compile(r"\b((?:docs|launch|res|results|tests)/[\w./-]*\.md)\b")
SOURCES = {".hpp", ".cpp", ".py", ".sh", ".sbatch", ".yaml", ".txt", ".cmake"}


def anchor_of(heading: str) -> str:
    """As GitHub makes it: markup and punctuation go, spaces become dashes."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def anchors_of(page: str) -> set[str]:
    anchors: set[str] = set()
    for heading in HEADING.findall(re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)):
        anchor, count = anchor_of(heading), 0
        while (name := f"{anchor}-{count}" if count else anchor) in anchors:
            count += 1
        anchors.add(name)
    return anchors


def faults_of(page: Path, source: Path) -> list[str]:
    faults = []
    for link in LINK.findall(CODE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or source not in [target.resolve(), *target.resolve().parents]:
            faults.append(f"{page.relative_to(source)}: '{link}' is not there.")
        elif anchor and (target.suffix != ".md" or anchor not in anchors_of(target.read_text())):
            faults.append(f"{page.relative_to(source)}: '{name or page.name}' has no heading '#{anchor}'.")
    return faults


def names_without_page(file: Path, source: Path) -> list[str]:
    names = NAMED.findall(file.read_text(errors="replace"))
    return [f"{file.relative_to(source)}: it names '{name}', which is not there." for name in names if not (source / name).exists()]


def files_of(source: Path) -> list[Path]:
    """Those of the project, without builds and runs."""
    files = [*source.glob("*"), source / "results/README.md", *(file for room in ROOMS for file in (source / room).rglob("*"))]
    return sorted(file for file in files if file.is_file())


def main() -> int:
    source = Path(sys.argv[1]).resolve()
    files = files_of(source)
    pages = [file for file in files if file.suffix == ".md"]
    faults = [fault for page in pages for fault in faults_of(page, source)]
    faults += [fault for file in files if file.suffix in SOURCES for fault in names_without_page(file, source)]
    links = sum(len(LINK.findall(page.read_text())) for page in pages)
    print(*faults, f"{len(pages)} pages with {links} links, {len(faults)} faults", sep="\n")
    return 1 if faults or links == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
