"""What happens to a run: each function strikes the frozen ranks of a start, and lets go those that live on."""

import random
import signal
import subprocess
import time
from pathlib import Path

from runs import PROGRAM, Start, send
from subjects import END, START_UP
from watched_run import WatchedRun


class Strike:
    """A start in the hands of a victim function."""

    def __init__(self, run: WatchedRun, start: Start, ranks: list[int], stage: str, choice: random.Random):
        self.run, self.start, self.ranks, self.stage, self.choice = run, start, ranks, stage, choice

    def kill(self, victims: list[int]) -> None:
        send(victims, signal.SIGKILL)
        send(self.ranks, signal.SIGCONT)


def kill_worker(strike: Strike) -> None:
    strike.kill([strike.choice.choice(strike.ranks[1:])])


def kill_coordinator(strike: Strike) -> None:
    strike.kill(strike.ranks[:1])


def kill(start: Start) -> None:
    """All that is left of it."""
    send([start.process.pid, *start.ranks()], signal.SIGKILL)
    start.process.wait()


def kill_all(strike: Strike) -> None:
    everyone = [*strike.ranks, strike.start.process.pid]
    strike.choice.shuffle(everyone)
    strike.kill(everyone)


def kill_launcher(strike: Strike) -> None:
    strike.kill([strike.start.process.pid])


DEADLINE = 8  # seconds


def knows_deadlines() -> bool:
    said = subprocess.run([PROGRAM, "sweep", "--help"], capture_output=True, text=True, check=False)
    return "--deadline" in said.stdout + said.stderr


def stop_rank(strike: Strike) -> None:
    """One rank never moves again. Others that have a deadline find out; without, or while they start or end, all are killed later."""
    stopped = strike.choice.choice(strike.ranks)
    others = [process for process in strike.ranks if process != stopped]
    send(others, signal.SIGCONT)
    if not others or strike.stage in (START_UP, END) or "--deadline" not in strike.start.process.args:
        time.sleep(strike.choice.uniform(0, 0.5))
        strike.kill(strike.ranks)


def fill_disk(strike: Strike) -> None:
    """But for a few pages."""
    with open(strike.run.folder / "filler", "wb", buffering=0) as filler:
        size = 0
        try:
            while True:
                size += filler.write(bytes(1 << 16))
        except OSError:
            filler.truncate(max(0, size - strike.choice.randrange(1 << 16)))
    send(strike.ranks, signal.SIGCONT)


def free_disk(run: WatchedRun) -> None:
    (run.folder / "filler").unlink()


def forbid_writing(strike: Strike) -> None:
    """By a read-only mount of the folder on itself, which even root must respect."""
    mount("--bind", strike.run.folder, strike.run.folder)
    mount("-o", "remount,bind,ro", strike.run.folder)
    send(strike.ranks, signal.SIGCONT)


def permit_writing(run: WatchedRun) -> None:
    unmount(run.folder)


def mount(*words: object) -> None:
    subprocess.run(["mount", *map(str, words)], check=True, capture_output=True)


def unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


def mount_small_disk(folder: Path) -> None:
    mount("-t", "tmpfs", "-o", "size=16m", "tmpfs", folder)


def can_mount(folder: Path) -> bool:
    """As root of a machine, not of every container."""
    folder.mkdir()
    try:
        mount_small_disk(folder)
        mount("--bind", folder, folder)
        unmount(folder)
        unmount(folder)
        return True
    except (OSError, subprocess.CalledProcessError):
        return False
    finally:
        folder.rmdir()


KILLS = {"worker": kill_worker, "rank 0": kill_coordinator, "whole run": kill_all, "mpirun": kill_launcher}
FULL, READ_ONLY = "full disk", "read-only folder"
STRIKES = KILLS | {"stopped rank": stop_rank, FULL: fill_disk, READ_ONLY: forbid_writing}
REPAIRS = {FULL: free_disk, READ_ONLY: permit_writing}
TORN, DAMAGED_OBJECT, DAMAGED_CHECKPOINT = "torn journal", "damaged object", "damaged checkpoint"
FAULTS = [*STRIKES, TORN, DAMAGED_OBJECT, DAMAGED_CHECKPOINT]


def damaged(content: bytes, choice: random.Random) -> bytes:
    """Cut short, or one bit the other way."""
    if choice.random() < 0.5:
        return content[: choice.randrange(len(content))]
    flipped = bytearray(content)
    flipped[choice.randrange(len(content))] ^= 1 << choice.randrange(8)
    return bytes(flipped)


def damage_what_is_left(run: WatchedRun, choice: random.Random, due: set[str]) -> list[str]:
    """What a crash of the machine may do to the files of a run besides, and does where it is due; returns what it did."""
    did = []
    journals = [file for file in run.journals() if file.stat().st_size > 0]
    if journals and (choice.random() < 0.4 or TORN in due):
        file = choice.choice(journals)
        run.tear_journal(file, choice.randint(1, min(400, file.stat().st_size)))
        did.append(TORN)
    objects = sorted(run.object_files())
    if objects and (choice.random() < 0.3 or DAMAGED_OBJECT in due):
        file = choice.choice(objects)
        run.damage_object(file, damaged(file.read_bytes(), choice))
        did.append(DAMAGED_OBJECT)
    if run.checkpoints() and (choice.random() < 0.5 or DAMAGED_CHECKPOINT in due):
        file = choice.choice(run.checkpoints())
        file.write_bytes(damaged(file.read_bytes(), choice))
        did.append(DAMAGED_CHECKPOINT)
    return did
