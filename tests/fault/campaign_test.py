#!/usr/bin/env python3
"""A campaign of faults: whatever hits a run, the same command ends in the bytes of an undisturbed run and repeats nothing.

    campaign_test.py KILLS [SEED]     the least number of kills, and the seed of all choices, which is random by default

ONEMASK_CAMPAIGN and ONEMASK_CAMPAIGN_SEED replace the two. Of one seed each run is hit in the same stages by the same faults.
"""

import itertools
import os
import random
import sys
import time
import unittest
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from subjects import END, STAGES, memit, rome
from runs import Start, WorldTest, freeze, keep_traces_in
from victims import (DEADLINE, FAULTS, FULL, KILLS, REPAIRS, STRIKES, Strike, can_mount, damage_what_is_left, kill,
                     knows_deadlines, mount_small_disk, unmount)
from watched_run import WatchedRun

FEW = 10  # kills: one run of each study meets them and every other fault
MOST_RUNS = 60  # or as many as kills; only a guard
AT_ONCE = 2  # runs: a start spends most of its time waiting
MOST_RANKS = 3
SECONDS = 300  # that no start may take


def kills_and_seed(words: list[str]) -> tuple[int, int]:
    given = os.environ.get("ONEMASK_CAMPAIGN")
    kills, *seeds = [given] if given else words
    seeds = [os.environ["ONEMASK_CAMPAIGN_SEED"]] if "ONEMASK_CAMPAIGN_SEED" in os.environ else seeds
    return int(kills), int(seeds[0]) if seeds else random.SystemRandom().randrange(10**6)


LEAST_KILLS, SEED = kills_and_seed(sys.argv[1:])
HITS_PER_STAGE = 1 if LEAST_KILLS <= FEW else 2  # of one run


class Campaign(WorldTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        keep_traces_in(cls.folder / "mpi")
        cls.subjects = [rome(cls.study, cls.folder), memit(cls.study, cls.folder)]
        cls.deadline = ["--deadline", DEADLINE] if knows_deadlines() else []
        cls.mounts = can_mount(cls.folder / "disk")

    def setUp(self) -> None:
        self.hits: Counter[tuple[str, str]] = Counter()  # by stage and victim
        self.numbers = itertools.count()
        self.failed = False
        self.begin = time.monotonic()

    def test_campaign(self):
        print(f"campaign of at least {LEAST_KILLS} kills, ONEMASK_CAMPAIGN_SEED={SEED}", flush=True)
        if not self.mounts:
            print("full disks and read-only folders are left out: only root may mount", flush=True)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for ended in [pool.submit(self.hit_runs) for _ in range(AT_ONCE)]:
                ended.result()
        print(self.table(), flush=True)
        self.assertEqual(self.not_hit(), [])
        self.assertGreaterEqual(self.kills(), LEAST_KILLS)

    def hit_runs(self) -> None:
        """One run after the other, until enough was hit."""
        while not self.failed and (self.kills() < LEAST_KILLS or self.not_hit()) and (number := next(self.numbers)) < max(LEAST_KILLS, MOST_RUNS):
            run = WatchedRun(self.subjects[number % len(self.subjects)], self.folder / f"run {number}")
            try:
                self.hit_until_complete(run, number)
            except Exception as error:
                self.failed = True
                happened = "".join(f"\n  {line}" for line in run.history)
                raise AssertionError(f"seed {SEED}, run {number} ({run.subject.name}):{happened}\n{error}") from error
            left = f", not yet hit: {', '.join(self.not_hit())}" if self.not_hit() else ""
            print(f"run {number} ({run.subject.name}): {self.kills()} kills, {time.monotonic() - self.begin:.0f} s{left}", flush=True)

    # One run.

    def hit_until_complete(self, run: WatchedRun, number: int) -> None:
        """Hits a run in every stage until it ends by itself."""
        choice = random.Random(f"{SEED}/{number}")
        run.folder.mkdir()
        small_disk = self.mounts and number % 3 != 2
        if small_disk:
            mount_small_disk(run.folder)
        try:
            strikes = [(stage, victim) for stage in run.subject.stages for victim in self.victims(run, stage, number)]
            if not any(self.hit(run, stage, victim, choice) for stage, victim in strikes if victim != FULL or small_disk):
                self.expect_complete(run, self.start(run, choice.randint(1, MOST_RANKS)))
            self.expect_same_results(run.results(), run.subject.expected)
            self.assertEqual(run.checkpoints(), [])
        finally:
            if small_disk:
                unmount(run.folder)

    def victims(self, run: WatchedRun, stage: str, number: int) -> list[str]:
        """What to hit in a stage: a part of an endless row of shuffled decks. In the study of all stages a kill comes first."""
        deck = [*KILLS, *KILLS, *(victim for victim in STRIKES if victim not in KILLS and (self.mounts or victim not in REPAIRS))]
        first = number // len(self.subjects) * HITS_PER_STAGE
        kill_first = set(STAGES) <= set(run.subject.stages)
        row = [random.Random(f"{SEED}/{run.subject.name}/{stage}").choice(list(KILLS))] if kill_first else []
        while len(row) < first + HITS_PER_STAGE:
            row += random.Random(f"{SEED}/{run.subject.name}/{stage}/{len(row)}").sample(deck, len(deck))
        return row[first : first + HITS_PER_STAGE]

    def start(self, run: WatchedRun, ranks: int) -> Start:
        run.before_start()
        return run.start(ranks, *self.deadline)

    def hit(self, run: WatchedRun, aim: str, victim: str, choice: random.Random) -> bool:
        """One start that something happens to; whether the run is complete."""
        start = self.start(run, choice.randint(2 if victim == "worker" else 1, MOST_RANKS))
        try:
            return self.strike(run, start, aim, victim, choice)
        finally:
            if start.process.poll() is None:  # the test has failed
                kill(start)

    def strike(self, run: WatchedRun, start: Start, aim: str, victim: str, choice: random.Random) -> bool:
        ranks = self.wait_for_moment(run, start, aim, choice)
        if not ranks:
            run.history.append(f"{victim} in {aim}: it ended before")
            self.expect_complete(run, start)
            return True
        stages = run.stages_under_way()
        stage = aim if aim in stages else stages[0]
        run.history.append(f"{victim} of {len(ranks)} in {stage}")
        STRIKES[victim](Strike(run, start, ranks, stage, choice))
        code = start.finish(SECONDS)
        if victim in REPAIRS:
            REPAIRS[victim](run)
        run.history[-1] += f": {code}"
        self.hits[stage, victim] += 1
        if code == 0:  # the fault came too late, or the program has outlived it
            self.expect_complete(run, start)
            return True
        self.expect_good_folder(run, start)
        self.assertFalse(victim in REPAIRS and code not in (1, 3), f"exit code {code}:\n{start.said()}")
        for damage in damage_what_is_left(run, choice, set(self.not_hit())):
            self.hits[stage, damage] += 1
            run.history.append(damage)
        return False

    def wait_for_moment(self, run: WatchedRun, start: Start, aim: str, choice: random.Random) -> list[int]:
        """Waits until `aim` is under way, and a random part of its time. The frozen ranks; none when the run ended before."""
        order, ranks = [*STAGES, END], []
        end = time.monotonic() + SECONDS
        while start.process.poll() is None:
            if len(ranks) < start.count:
                ranks = start.ranks()
            else:
                stages = run.stages_under_way()
                if aim in stages or order.index(aim) < min(map(order.index, stages)):
                    break
            if time.monotonic() > end:
                start.finish(0)
            time.sleep(0.002)
        time.sleep(choice.uniform(0, 0.6 * run.share_left(aim) * run.subject.seconds[aim]))
        freeze(ranks)
        return ranks if start.process.poll() is None else []

    def expect_complete(self, run: WatchedRun, start: Start) -> None:
        self.expect_ends(start, 0, SECONDS)
        self.expect_good_folder(run, start)

    def expect_good_folder(self, run: WatchedRun, start: Start) -> None:
        self.assertEqual(run.complaints(), [], start.said())

    # What was hit.

    def kills(self) -> int:
        return sum(count for (_, victim), count in self.hits.copy().items() if victim in KILLS)

    def not_hit(self) -> list[str]:
        """Stages that no kill hit, and faults that never came."""
        hits = list(self.hits)
        killed = {stage for stage, victim in hits if victim in KILLS}
        victims = {victim for _, victim in hits}
        possible = [fault for fault in FAULTS if self.mounts or fault not in REPAIRS]
        return [stage for stage in STAGES if stage not in killed] + [fault for fault in possible if fault not in victims]

    def table(self) -> str:
        """Hits by stage and victim."""
        columns = [*STAGES, END]
        lines = [" " * 18 + "".join(f"  {stage}" for stage in columns)]
        for fault in FAULTS:
            lines.append(f"{fault:18}" + "".join(f"  {self.hits[stage, fault] or '':>{len(stage)}}" for stage in columns))
        return "\n".join([*lines, f"{self.kills()} kills, {time.monotonic() - self.begin:.0f} s"])


if __name__ == "__main__":
    sys.exit(unittest.main(argv=sys.argv[:1], verbosity=1))
