"""What the tests of single faults share: runs of the subjects, hit in a stage, and what they must come to."""

import itertools
import subprocess
from collections.abc import Callable, Sequence

from subjects import Subject
from runs import MPIRUN, Start, WorldTest, keep_traces_in
from victims import kill
from watched_run import WatchedRun

SECONDS = 300  # that no start may take
TRIES = 20  # to see a stage that may be short
ULFM = ["--with-ft", "ulfm"]  # options of mpirun


def knows_ulfm() -> bool:
    return subprocess.run([MPIRUN, *ULFM, "-n", "1", "true"], capture_output=True, check=False).returncode == 0


class SubjectTest(WorldTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        keep_traces_in(cls.folder / "mpi")
        cls._numbers = itertools.count()

    def new_run(self, subject: Subject) -> WatchedRun:
        return WatchedRun(subject, self.folder / f"run {next(self._numbers)}")

    def begin(self, run: WatchedRun, stages: Sequence[str], ranks: int, *words: object, options: Sequence[str] = ()) -> Start:
        """A start that has come to one of the stages. One that has passed them unseen, or in an earlier start, is followed by one from
        nothing."""
        for _ in range(TRIES):
            run.before_start()
            start = run.start(ranks, *words, options=options)
            self.addCleanup(self.end, start)
            if self.comes_to(start, self.is_in(run, stages), SECONDS):
                return start
            self.assertEqual(self.finish(run, start), 0, start.said())
            self.expect_results(run, start)
            run.clear()
        self.fail(f"{TRIES} starts went by without {' or '.join(stages)}")

    @staticmethod
    def is_in(run: WatchedRun, stages: Sequence[str]) -> Callable[[], bool]:
        return lambda: not set(stages).isdisjoint(run.stages_under_way())

    @staticmethod
    def end(start: Start) -> None:
        """Whatever a test that has failed left."""
        if start.process.poll() is None:
            kill(start)

    def finish(self, run: WatchedRun, start: Start, seconds: float = SECONDS) -> int:
        """The exit code of a start that left nothing behind but a good folder."""
        code = start.finish(seconds)
        self.assertEqual(run.complaints(), [], start.said())
        return code

    def expect_results(self, run: WatchedRun, start: Start) -> None:
        self.assertTrue((run.folder / "study.h5").exists(), start.said())
        self.expect_same_results(run.results(), run.subject.expected)
        self.assertEqual(run.checkpoints(), [])

    def expect_goes_on(self, run: WatchedRun, ranks: int = 2) -> None:
        """The next start ends well."""
        start = run.start(ranks)
        self.assertEqual(self.finish(run, start), 0, start.said())
        self.expect_results(run, start)
