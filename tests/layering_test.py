#!/usr/bin/env python3
"""Holds the includes of include/ and src/ against the table of rooms in src/CMakeLists.txt.

    layering_test.py SOURCE_DIR

Prints a sentence for every violation; exits with 1 when there is one.
"""

import re
import sys
from pathlib import Path

# A library's headers belong to the rooms that src/CMakeLists.txt links to it: the pattern of an include, and the words there.
LIBRARIES = [
    (r"(ATen|torch|c10)/", {"TORCH"}),
    (r"(mpi|mpi-ext)\.h$", {"MPI::MPI_CXX"}),
    (r"(hdf5|H5\w+)\.h$", {"HDF5::HDF5"}),
    (r"boost/program_options", {"Boost::program_options"}),
    (r"boost/math/", {"Boost::headers"}),
    (r"spdlog/", {"spdlog::spdlog"}),
    (r"nlohmann/", {"nlohmann_json::nlohmann_json"}),
    (r"yaml-cpp/", {"yaml-cpp"}),
    (r"openssl/", {"OpenSSL::Crypto"}),
    (r"oniguruma\.h$", {"PkgConfig::ONIGURUMA"}),
    (r"unicode/", {"ICU::uc"}),
    (r"zip\.h$", {"PkgConfig::LIBZIP"}),
    (r"zlib\.h$", {"ZLIB::ZLIB"}),
    (r"(nccl|cuda_runtime\w*)\.h$", {"NCCL::NCCL"}),
    (r"c10/cuda/", {"LibTorch::CUDA"}),
]
# Where these are linked to: nowhere else, whatever the table says.
OWNERS = {
    "MPI::MPI_CXX": {"comm"},
    "HDF5::HDF5": {"store"},
    "Boost::program_options": {"commands", "cli"},
    "Boost::headers": {"statistics"},
    "spdlog::spdlog": {"core"},
}
# What public headers may include of them: LibTorch, and declarations.
PUBLIC = r"(ATen|torch|c10)/(?!cuda/)|nlohmann/json_fwd\.hpp$"
# The main functions, and what they may use. The first belongs to the program that is linked without LibTorch.
MAINS = {"main.cpp": {"commands"}, "compute_main.cpp": {"commands", "cli"}}
MAIN_LINES = 60


def read_rooms(cmake: Path) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Room -> the rooms that it names after USES; room -> the libraries that it is linked to, TORCH among them."""
    rooms: dict[str, set[str]] = {}
    libraries: dict[str, set[str]] = {}
    text = cmake.read_text()
    for call in re.findall(r"^onemask_room\(([^)]*)\)", text, re.MULTILINE):
        name, *words = call.split()
        rooms[name], libraries[name] = set(), set()
        keyword = ""
        for word in words:
            if word in ("TORCH", "USES", "PRIVATE"):
                keyword = word
                if word == "TORCH":
                    libraries[name].add(word)
            elif keyword == "USES":
                rooms[name].add(word)
            else:
                libraries[name].add(word)
    for name, words in re.findall(r"^\s*target_link_libraries\(onemask_(\w+) ([^)$]*)\)", text, re.MULTILINE):
        libraries.setdefault(name, set()).update(words.split())
    return rooms, libraries


def reachable(room: str, rooms: dict[str, set[str]]) -> set[str]:
    """Every room that `room` uses, directly or through others."""
    found: set[str] = set()
    ahead = list(rooms[room])
    while ahead:
        used = ahead.pop()
        if used not in found:
            found.add(used)
            ahead += rooms.get(used, ())
    return found


def check_table(rooms: dict[str, set[str]]) -> list[str]:
    wrong = []
    for room, uses in rooms.items():
        wrong += [f"src/CMakeLists.txt: room '{room}' uses '{used}', which is no room." for used in uses - rooms.keys()]
        if room in reachable(room, rooms):
            wrong.append(f"src/CMakeLists.txt: room '{room}' uses itself through other rooms: the rooms must form no cycle.")
    return wrong


def check_light(rooms: dict[str, set[str]], libraries: dict[str, set[str]]) -> list[str]:
    """Nothing that the short program is linked to may bring LibTorch."""
    light = MAINS["main.cpp"]
    reached = light.union(*(reachable(room, rooms) for room in light))
    return [
        f"src/CMakeLists.txt: main.cpp must be linked without LibTorch, but uses the room '{room}'."
        for room in sorted(reached)
        if "TORCH" in libraries.get(room, ())
    ]


def check_libraries(libraries: dict[str, set[str]]) -> list[str]:
    return [
        f"src/CMakeLists.txt: room '{room}' is linked to {library}, which is reached through {' and '.join(sorted(OWNERS[library]))}."
        for room, linked in libraries.items()
        for library in sorted(linked & OWNERS.keys())
        if room not in OWNERS[library]
    ]


def check_include(place: str, room: str, allowed: set[str], name: str, rooms: dict[str, set[str]], linked: set[str]) -> list[str]:
    if name.split("/")[0] in (".", ".."):
        return [f'{place}: "{name}" is a relative path; write the include from include/ or src/ on.']
    if name == "torch/torch.h":
        return [f"{place}: <{name}> costs 18 s and 1.3 GB a file; include <ATen/ATen.h> or single operators."]
    public = re.match(r"onemask/(\w+)/", name)
    if public:
        target = public[1]
        if target not in rooms:
            return [f"{place}: <{name}> belongs to no room of src/CMakeLists.txt."]
        if target in allowed:
            return []
        return [f"{place}: room '{room}' may not use room '{target}': src/CMakeLists.txt does not say so."]
    private = name.split("/")[0]
    if private in rooms and "/" in name and private != room:
        return [f'{place}: "{name}" is private to room \'{private}\'; room \'{room}\' may include only its public headers.']
    for pattern, needed in LIBRARIES:
        if re.match(pattern, name) and not needed & linked:
            return [f"{place}: room '{room}' may not include <{name}>: src/CMakeLists.txt does not link it to {' or '.join(needed)}."]
    return []


def check_public(place: str, name: str) -> list[str]:
    """What a public header includes, everybody who includes it compiles and must have."""
    if re.match(PUBLIC, name) or not any(re.match(pattern, name) for pattern, _ in LIBRARIES):
        return []
    return [f"{place}: a public header must not include <{name}>: declare its types, and include it in a .cpp file."]


def check_header(place: str, text: str) -> list[str]:
    wrong = []
    if not text.startswith("#pragma once\n"):
        wrong.append(f"{place}: a header must begin with #pragma once.")
    if place.startswith("include/") and re.search(r"^\s*#\s*(ifn?def|if|elif)\b", text, re.MULTILINE):
        wrong.append(f"{place}: a public header must not depend on the build: move the #if into a .cpp file.")
    return wrong


INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)


def check_users(root: Path) -> list[str]:
    """A public header is there for other rooms: for their sources and tests, or for a public header that they include."""
    users: dict[str, set[Path]] = {}
    for folder in ("include", "src", "tests"):
        for file in (root / folder).rglob("*.[ch]pp"):
            for name in INCLUDE.findall(file.read_text()):
                users.setdefault(name, set()).add(file.relative_to(root))
    headers = {file.relative_to(root / "include").as_posix() for file in (root / "include").rglob("*.hpp")}

    def is_foreign(name: str, user: Path) -> bool:
        folders = user.parts[2:-1] if user.parts[0] == "include" else user.parts[1:-1]
        return folders[:1] != (name.split("/")[1],)

    ahead = [name for name in headers if any(is_foreign(name, user) for user in users.get(name, ()))]
    used = set(ahead)
    while ahead:
        header = Path("include") / ahead.pop()
        reached = {name for name in headers - used if header in users.get(name, ())}
        used |= reached
        ahead += reached
    return [
        f"include/{name}: no other room uses this header: move it to src/{name.removeprefix('onemask/')}."
        for name in sorted(headers - used)
    ]


def check_file(root: Path, file: Path, rooms: dict[str, set[str]], libraries: dict[str, set[str]]) -> list[str]:
    place = file.relative_to(root).as_posix()
    text = file.read_text()
    wrong = check_header(place, text) if file.suffix == ".hpp" else []
    folders = file.relative_to(root / ("include/onemask" if place.startswith("include/") else "src")).parts[:-1]
    room = folders[0] if folders else "main"
    if room != "main" and room not in rooms:
        return wrong + [f"{place}: its folder '{room}' is no room of src/CMakeLists.txt."]
    allowed = MAINS.get(file.name, set()) if room == "main" else {room} | reachable(room, rooms)
    linked = libraries.get(room, set()) | (libraries["cuda"] if folders[:2] == ("gpu", "module") else set())
    for number, line in enumerate(text.splitlines(), 1):
        include = INCLUDE.match(line)
        if include:
            wrong += check_include(f"{place}:{number}", room, allowed, include[1], rooms, linked)
            if place.startswith("include/"):
                wrong += check_public(f"{place}:{number}", include[1])
    if room == "main" and len(text.splitlines()) >= MAIN_LINES:
        wrong.append(f"{place}: a main function must stay under {MAIN_LINES} lines: move work into a room.")
    return wrong


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: layering_test.py SOURCE_DIR", file=sys.stderr)
        return 2
    root = Path(sys.argv[1]).resolve()
    rooms, libraries = read_rooms(root / "src" / "CMakeLists.txt")
    folders = (root / "include" / "onemask", root / "src")
    files = sorted(file for folder in folders for file in folder.rglob("*.[ch]pp"))
    if not rooms or not files:
        print(f"{root}: found {len(rooms)} rooms and {len(files)} source files; is this the source folder?")
        return 1
    wrong = check_table(rooms) + check_light(rooms, libraries) + check_libraries(libraries)
    wrong += check_users(root)
    wrong += [sentence for file in files for sentence in check_file(root, file, rooms, libraries)]
    print("\n".join(wrong) if wrong else f"{len(files)} files keep to the table of {len(rooms)} rooms.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
