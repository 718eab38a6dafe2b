#!/usr/bin/env python3
"""Holds the program to one name for every type: two types of one name are a defect that the linker does not report.

    names_test.py SOURCE_DIR

Prints a sentence for every name of a type that is known outside of its file, in a header or outside of a namespace without a
name, and that another file gives to another type. Types inside of classes and functions do not count. Exits with 1 when there
is such a name.
"""

import re
import sys
from pathlib import Path

TOKENS = re.compile(
    r"""//[^\n]* | /\*.*?\*/ | R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)" | "(?:\\.|[^"\\\n])*" | (?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])*'
    | ^[ \t]*\#(?:\\\n|[^\n])* | [A-Za-z_]\w* | :: | \[\[.*?\]\] | [{}();<>=:,]""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
KINDS = ("struct", "class", "enum", "union")


def tokens_of(text: str) -> list[str]:
    found = (match[0] for match in TOKENS.finditer(text))
    return [token for token in found if not token.lstrip().startswith(("//", "/*", '"', "'", "#", "[[", 'R"'))]


def opened(statement: list[str]) -> tuple[str, str]:
    """What the brace after these words opens: ("namespace", its name), ("type", its name) or ("other", "")."""
    words = list(statement)
    if words[:1] == ["inline"]:
        words = words[1:]
    if words[:1] == ["namespace"]:
        return "namespace", "".join(words[1:])
    if words[:1] == ["template"]:  # its parameters may hold 'class'
        depth = 0
        for place, word in enumerate(words):
            depth += (word == "<") - (word == ">")
            if word == ">" and depth == 0:
                words = words[place + 1 :]
                break
    while "alignas" in words:
        place = words.index("alignas")
        del words[place : words.index(")", place) + 1]
    if words[:1] and words[0] in KINDS:
        names = words[2:] if words[1:2] in (["class"], ["struct"]) else words[1:]
        head = names[: next((place for place, word in enumerate(names) if word in (":", "final")), len(names))]
        # More words: a specialisation, which has the name of its template, a member A::B, a function or a variable.
        return "type", head[0] if len(head) == 1 else ""
    return "other", ""


def qualified(around: list[tuple[str, str]], name: str) -> tuple[str, bool]:
    spaces = [space for _, space in around]
    return "::".join([space for space in spaces if space] + [name]), all(spaces)


def types_of(text: str) -> list[tuple[str, bool]]:
    """The types and aliases that a file defines at namespace level, 'onemask::Task', and whether all its namespaces have names."""
    found: list[tuple[str, bool]] = []
    around: list[tuple[str, str]] = []
    statement: list[str] = []
    for token in tokens_of(text):
        at_namespace_level = all(kind == "namespace" for kind, _ in around)
        if token == "{":
            kind, name = opened(statement)
            if kind == "type" and name and at_namespace_level:
                found.append(qualified(around, name))
            around.append((kind, name))
            statement = []
        elif token == "}":
            if around:
                around.pop()
            statement = []
        elif token == ";":
            if statement[:1] == ["using"] and statement[2:3] == ["="] and at_namespace_level:
                found.append((qualified(around, statement[1])[0], False))  # has a meaning in this file alone
            statement = []
        else:
            statement.append(token)
    return found


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: names_test.py SOURCE_DIR", file=sys.stderr)
        return 2
    root = Path(sys.argv[1]).resolve()
    files = sorted(file for folder in ("include", "src") for file in (root / folder).rglob("*.[ch]pp"))
    places: dict[str, list[str]] = {}
    known: set[str] = set()
    for file in files:
        for name, named in types_of(file.read_text()):
            places.setdefault(name, []).append(file.relative_to(root).as_posix())
            if named or file.suffix == ".hpp":
                known.add(name)
    wrong = [
        f"{name} is a type of {' and of '.join(places[name])}: give each its own name."
        for name in sorted(known)
        if len(places[name]) > 1
    ]
    if len(places) < 100:
        wrong.append(f"{root}: found only {len(places)} types; is this the source folder?")
    print("\n".join(wrong) if wrong else f"{len(places)} types of {len(files)} files have their own names.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
