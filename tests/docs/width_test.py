#!/usr/bin/env python3
"""Prose in the pages of the project is at most 120 columns wide: width_test.py SOURCE

Tables, code and lines of a single word, such as a long link, may be wider.
"""

import re
import sys
from pathlib import Path

from links_test import files_of

WIDTH = 120
FREE = re.compile(r"\||    |!\[|[^ ]*$")  # a table, code, a picture, one word


def wide_lines(page: Path) -> list[int]:
    lines, fenced = [], False
    for number, line in enumerate(page.read_text().splitlines(), 1):
        fenced ^= line.startswith("```")
        if len(line) > WIDTH and not fenced and not FREE.match(line):
            lines.append(number)
    return lines


def main() -> int:
    source = Path(sys.argv[1]).resolve()
    pages = [file for file in files_of(source) if file.suffix == ".md"]
    wide = [f"{page.relative_to(source)}, line {line}: wrap this at {WIDTH} columns." for page in pages for line in wide_lines(page)]
    print(*wide, f"{len(pages)} pages, {len(wide)} lines too wide", sep="\n")
    return 1 if wide or not pages else 0


if __name__ == "__main__":
    sys.exit(main())
