#!/usr/bin/env python3
"""Counts the test cases in the JUnit files that ctest writes; its last line is "N passed, N failed, N skipped".

    count_results.py RESULTS.xml ...

A GoogleTest program counts as many cases as its summary names; a test without a summary counts as one. Exits with 1 when a case
failed or a file cannot be read.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree

SUMMARY = re.compile(r"^\[  (PASSED |SKIPPED|FAILED )\s*\] (\d+) tests?[.,]", re.MULTILINE)


def count_test(test: ElementTree.Element) -> dict[str, int]:
    count = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0}
    state = test.get("status")
    if state in ("notrun", "disabled"):
        count["SKIPPED" if test.find("skipped") is not None else "FAILED"] = 1
        return count
    for kind, cases in SUMMARY.findall(test.findtext("system-out") or ""):
        count[kind.strip()] = int(cases)
    if not any(count.values()):
        count["PASSED" if state == "run" else "FAILED"] = 1
    elif state == "fail" and count["FAILED"] == 0:  # another rank failed, or the program crashed after its last case
        count["FAILED"] = 1
    return count


def main() -> int:
    total = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0}
    for file in sys.argv[1:]:
        try:
            tests = ElementTree.parse(file).getroot().iter("testcase")
        except (OSError, ElementTree.ParseError) as error:
            print(f"Cannot read the test results '{file}': {error}.")
            total["FAILED"] += 1
            continue
        for test in tests:
            for kind, cases in count_test(test).items():
                total[kind] += cases
    print(f"{total['PASSED']} passed, {total['FAILED']} failed, {total['SKIPPED']} skipped")
    return 1 if total["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
