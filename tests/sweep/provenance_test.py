#!/usr/bin/env python3
"""What study.h5 and the report say about the machines and the software that made a study."""

import hashlib
import json
import signal
import struct
import subprocess
import sys
import unittest
from pathlib import Path

from runs import PROGRAM, Results, Run, WorldTest

MAGIC, TRAILER = b"1MASKOBJ", 48


def sizes_of(content: bytes) -> tuple[int, int]:
    """Bytes of the payload, and of what names its maker."""
    (both,) = struct.unpack("<Q", content[-TRAILER:][len(MAGIC) : len(MAGIC) + 8])
    return both & (1 << 48) - 1, both >> 48


def maker_of(file: Path) -> str:
    content = file.read_bytes()
    payload, maker = sizes_of(content)
    assert payload + maker + TRAILER == len(content)
    return content[payload : payload + maker].decode()


def rewrite(file: Path, maker: bytes) -> None:
    """The object as another kind of machine would have made it; of none, as versions that did not say."""
    content = file.read_bytes()
    payload = content[: sizes_of(content)[0]]
    hashed = struct.pack("<Q", len(file.name)) + file.name.encode() + payload
    if maker:
        hashed += struct.pack("<Q", len(maker)) + maker
    sizes = struct.pack("<Q", len(payload) | len(maker) << 48)
    file.write_bytes(payload + maker + MAGIC + sizes + hashlib.sha256(hashed).digest())


def trained_by(checkpoint: Path, maker: str) -> tuple[str, str]:
    """Makes a mask's checkpoint that of another kind of machine; returns this and the kind that it was of."""
    content = checkpoint.read_bytes()[64:]
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    before = header["__metadata__"]["made_by"]
    header["__metadata__"]["made_by"] = maker
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    content = struct.pack("<Q", len(text)) + text + content[8 + size :]
    checkpoint.write_bytes(hashlib.sha256(content).hexdigest().encode() + content)
    return maker, before


class Provenance(WorldTest):
    def report(self, run: Run) -> str:
        command = [PROGRAM, "report", run.folder]
        return " ".join(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split())

    def makers(self, results: Results) -> dict[str, int]:
        counts = struct.unpack(f"<{results.values['provenance/objects/objects'][0][0]}q", results.values["provenance/objects/objects"][2])
        return dict(zip(results.texts("provenance/objects/made_by"), counts))

    def test_of_one_kind_and_of_several(self):
        run = Run(self.study, self.folder / "run")
        self.expect_ends(run.start(2), 0)
        one = run.results()
        attributes = one.attributes
        kind = f"LibTorch {attributes['libtorch']} on {attributes['processor']}, {attributes['instruction_set']}"
        files = sorted(run.object_files(), key=lambda file: file.name)
        self.assertEqual({maker_of(file) for file in files}, {kind})
        self.assertEqual(self.makers(one), {kind: len(files)})
        self.assertNotIn("kinds of machines", self.report(run))
        for name, form in {"mpi": r"\w.* v?\d+\.\d+", "nccl": r"none|\d+\.\d+", "cuda": r"none|\d+\.\d+", "hdf5": r"\d+\.\d+\.\d+"}.items():  # fmt: skip
            self.assertRegex(attributes[name], form, name)

        rewrite(files[0], b"LibTorch 1.0 on another")
        rewrite(files[1], b"LibTorch 1.0 on another\n" + kind.encode())
        rewrite(files[2], b"")
        rewrite(files[3], b"")
        before = run.objects()
        self.expect_ends(run.start(2), 0)
        self.assertEqual(run.objects(), before, "all are read as they are")
        several = run.results()
        self.expect_same_results(several, one)
        both = f"LibTorch 1.0 on another and {kind}"
        self.assertEqual(self.makers(several), {"": 2, "LibTorch 1.0 on another": 1, both: 1, kind: len(files) - 4})
        said = self.report(run)
        self.assertIn("come from several kinds of machines", said)
        self.assertIn(f"1 from LibTorch 1.0 on another; 1 from {both}; {len(files) - 4} from {kind}; 2 of unknown origin.", said)

    def test_objects_that_several_tasks_share_count_once(self):
        run = Run(self.study, self.folder / "shared", "--sweep", "mask.seed=0", "--sweep", "mask.threshold=0.4,0.6,0.8")
        self.expect_ends(run.start(2), 0)
        self.assertEqual(sum(self.makers(run.results()).values()), len(run.object_files()))

    def test_a_mask_that_goes_on_elsewhere_names_both(self):
        run = Run(self.study, self.folder / "stopped", "--set", "mask.epochs=200", "--sweep", "mask.seed=0")
        start = run.start(1)
        self.wait_until(start, run.checkpoints, "a mask had a checkpoint")
        start.process.send_signal(signal.SIGUSR1)  # which mpirun passes on
        self.expect_ends(start, 75)
        (checkpoint,) = run.checkpoints()
        (other, kind) = trained_by(checkpoint, "LibTorch 1.0 on another")
        self.expect_ends(run.start(1), 0)
        (mask,) = run.results().texts("conditions/mask_key")[-1:]
        (file,) = [file for file in run.object_files() if file.name == mask]
        self.assertEqual(maker_of(file), f"{other}\n{kind}")


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
