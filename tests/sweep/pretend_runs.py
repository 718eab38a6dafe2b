"""Runs of the program on pretend accelerators (tests/support/pretend_device.hpp), and of the same study on the CPU."""

import os

from runs import Results, Run, WorldTest

PRETEND = os.environ["ONEMASK_PRETEND"]  # the library
# What holds the names of objects, in which the device is.
NAMES = {"conditions/mask_key", "edits/object"}


def on_devices(count: int = 2, memory: int = 0, nccl: str = "") -> dict[str, str]:
    """Variables of a process that has pretend devices, with so many bytes each (0: no limit), and an NCCL that behaves as told."""
    counts = {"ONEMASK_PRETEND_DEVICES": str(count), "ONEMASK_PRETEND_MEMORY": str(memory)}
    return {"LD_PRELOAD": PRETEND, **counts, "ONEMASK_PRETEND_NCCL": nccl}


def options_of(variables: dict[str, str]) -> list[str]:
    return [word for name, value in variables.items() for word in ("-x", f"{name}={value}")]


class PretendTest(WorldTest):
    def run_on(self, device: str, ranks: int, name: str, *words: object, study=None, code: int = 0, **devices) -> tuple[Run, str]:
        run = Run(study or self.study, self.folder / f"{name} on {device}", "--set", f"model.device={device}", *words)
        options = [] if device == "cpu" else options_of(on_devices(**devices))
        return run, self.expect_ends(run.start(ranks, options=options), code)

    def expect_same_numbers(self, results: Results, expected: Results) -> None:
        """All but names have the same bits."""
        self.assertEqual(results.attributes["status"], "COMPLETE")

        def numbers(of: Results) -> dict[str, tuple]:
            return {
                name: (*value[:3], [attribute for attribute in value[3] if attribute[0] != "object"])
                for name, value in of.without_provenance().items()
                if name not in NAMES
            }

        ours, others = numbers(results), numbers(expected)
        self.assertEqual(ours.keys(), others.keys())
        self.assertGreater(len(ours), 40)
        self.assertEqual([name for name in ours if ours[name] != others[name]], [])
        for name in NAMES:
            self.assertNotEqual(results.values[name][2], expected.values[name][2], name)
