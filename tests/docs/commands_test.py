#!/usr/bin/env python3
"""Runs every command of a page of documentation, in the order of the page, in an empty folder that looks like the source folder.

    commands_test.py PAGE.md

Fenced blocks marked sh and python are run, each by itself; a yaml block that begins with "# NAME.yaml" becomes that file. Other blocks
are no commands. `onemask`, `mpirun` and the Python of the tests are on the PATH. `sbatch` is a stand-in that checks the script and the
files that the study names; downloads come from a server on this machine. A python block is passed over where polars, DuckDB or
matplotlib, which it imports, is not installed. The environment: ONEMASK_PROGRAM, ONEMASK_MPIRUN, ONEMASK_SOURCE; tests/launch is on the PYTHONPATH. Ends
with 77, skipped, where the model that ships is not there.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from server import Server

MODEL = "res/models/world-gpt2"
FENCE = re.compile(r"^```(sh|python|yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_INSTALLED = re.compile(r"^ModuleNotFoundError: No module named '(polars|duckdb|matplotlib)'", re.MULTILINE)
YAML_NAME = re.compile(r"# *(\S+\.yaml)\b")
HUB_MODELS = ["openai-community/gpt2", "openai-community/gpt2-xl"]
COUNTERFACT = "/counterfact.json"


@dataclass
class Block:
    line: int
    language: str
    text: str


def blocks_of(page: str) -> list[Block]:
    return [Block(page.count("\n", 0, match.start()) + 1, match[1], match[2]) for match in FENCE.finditer(page)]


def counterfact() -> bytes:
    """As many facts as CounterFact has, each with what the script that cuts it looks at."""
    relations = [*"P103 P17 P495 P176 P413 P136 P30 P937 P27 P1412".split(), *"P463 P407 P36 P264".split()]
    facts = [
        {"case_id": i, "requested_rewrite": {"relation_id": relations[i % len(relations)], "subject": f"Subject {i}"}}
        for i in range(21_919)
    ]
    return json.dumps(facts).encode()


def hub_entry(file: Path) -> dict:
    """What the hub tells about a small file."""
    content = file.read_bytes()
    git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return {"type": "file", "path": file.name, "size": len(content), "oid": git}


def serve_downloads(server: Server, source: Path, folder: Path) -> dict[str, str]:
    """The model that ships under the names of others, a CounterFact of its size, and a text; returns the settings that lead there."""
    files = [file for file in (source / MODEL).iterdir() if file.is_file()]
    for name in HUB_MODELS:
        server.files[f"/api/models/{name}/tree/main"] = json.dumps([hub_entry(file) for file in files]).encode()
        for file in files:
            server.files[f"/{name}/resolve/main/{file.name}"] = file.read_bytes()
    server.files[COUNTERFACT] = counterfact()
    (folder / "wikitext2_test.txt").write_text("As long as it need be. " * 100)
    (folder / "counterfact").mkdir()
    sums = f"{hashlib.sha256(server.files[COUNTERFACT]).hexdigest()}  counterfact.json\n"
    (folder / "counterfact/SHA256SUMS").write_text(sums)
    return {"HF_ENDPOINT": server.url, "ONEMASK_CF_URL": server.url + COUNTERFACT}


def write_program(file: Path, *lines: str) -> None:
    file.write_text("#!/usr/bin/env bash\n" + "".join(line + "\n" for line in lines))
    file.chmod(0o755)


def furnish(folder: Path, source: Path) -> Path:
    """Makes `folder` look like the source folder with a build in it; returns a folder of programs for the PATH."""
    shutil.copytree(source / "launch", folder / "launch")
    shutil.copytree(source / "res", folder / "res", ignore=shutil.ignore_patterns("models"))
    (folder / "res/models").symlink_to(source / "res/models")
    (folder / "tests").symlink_to(source / "tests")
    program = Path(os.environ["ONEMASK_PROGRAM"]).resolve()
    programs = folder / "build/programs"
    programs.mkdir(parents=True)
    (folder / "build/release").symlink_to(program.parent)
    (programs / "onemask").symlink_to(program)
    (programs / "mpirun").symlink_to(program.with_name("mpirun"))
    write_program(programs / "python", f'exec "{sys.executable}" "$@"')
    sbatch = Path(__file__).resolve().with_name("sbatch.py")
    write_program(programs / "sbatch", f'exec "{sys.executable}" "{sbatch}" "$@"')
    return programs


def environment_of(programs: Path) -> dict[str, str]:
    mpi = Path(os.environ["ONEMASK_MPIRUN"]).parent
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy") and name != "HF_TOKEN"}
    return kept | {
        "PATH": f"{programs}:{mpi}:{os.environ['PATH']}",
        "ONEMASK_WHEELS": str(mpi.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMPI_MCA_mpi_yield_when_idle": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    }


def run(block: Block, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c"] if block.language == "python" else ["bash", "-euo", "pipefail", "-c"]
    return subprocess.run(
        [*command, block.text], cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )


def run_page(page: Path, folder: Path, environment: dict[str, str]) -> bool:
    commands = 0
    for block in blocks_of(page.read_text()):
        if block.language == "yaml":
            if name := YAML_NAME.match(block.text):
                (folder / name[1]).write_text(block.text)
            continue
        commands += 1
        begin = time.monotonic()
        done = run(block, folder, environment)
        seconds = time.monotonic() - begin
        print(f"--- {page.name}, line {block.line}: exit code {done.returncode}, {seconds:.1f} s\n{block.text}{done.stdout}", flush=True)
        if missing := NOT_INSTALLED.search(done.stdout):
            print(f"Passed over: there is no {missing[1]}; launch/bootstrap.sh installs it.", flush=True)
        elif done.returncode != 0:
            return False
    if commands == 0:
        print(f"{page.name} has no command.")
    return commands > 0


def main() -> int:
    page, source = Path(sys.argv[1]), Path(os.environ["ONEMASK_SOURCE"])
    if not (source / MODEL / "config.json").exists():
        print(f"Skipped: there is no model in {MODEL}.")
        return 77
    server = Server()
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            environment = environment_of(furnish(folder, source)) | serve_downloads(server, source, folder)
            return 0 if run_page(page, folder, environment) else 1
    finally:
        server.close()


if __name__ == "__main__":
    sys.exit(main())
