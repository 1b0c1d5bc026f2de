#!/usr/bin/env python3
"""Counts tests for the closing line of scripts/dev test; prints "passed failed skipped".

  count_tests.py ctest RESULTS.xml      a ctest JUnit file; GoogleTest binaries are counted by their cases
  count_tests.py log LOG EXIT_STATUS    a log with one "N passed, N failed[, N skipped]" line per part
"""

import re
import sys
import xml.etree.ElementTree as ElementTree

CASES = re.compile(r"^\[  (PASSED |SKIPPED|FAILED ) \] (\d+) tests?", re.MULTILINE)
CLOSING = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.MULTILINE)


def of_ctest_case(case):
    """(passed, failed, skipped) of one ctest entry."""
    output = case.findtext("system-out") or ""
    ok = case.get("status") == "run" and case.find("failure") is None
    if case.get("status") in ("notrun", "disabled") or case.find("skipped") is not None:
        # "Not Run" also stands for a program that could not be started: only a skip that says so is one.
        skipped = case.get("status") == "disabled" or case.find("skipped") is not None and "SKIP" in output
        return (0, 0, 1) if skipped else (0, 1, 0)
    counts = {"PASSED ": 0, "SKIPPED": 0, "FAILED ": 0}
    found = CASES.findall(output)
    for kind, number in found:
        counts[kind] = int(number)
    if not found:
        closing = CLOSING.findall(output)
        if closing:
            passed, failed, skipped = (int(n or 0) for n in closing[-1])
            return passed, max(failed, 0 if ok else 1), skipped
        return (1, 0, 0) if ok else (0, 1, 0)
    # GoogleTest does not count skipped cases as passed. A binary that died counts one failure at least.
    return counts["PASSED "], max(counts["FAILED "], 0 if ok else 1), counts["SKIPPED"]


def main():
    if sys.argv[1] == "ctest":
        cases = ElementTree.parse(sys.argv[2]).getroot().iter("testcase")
        totals = [sum(column) for column in zip(*(of_ctest_case(case) for case in cases))] or [0, 1, 0]
    else:
        with open(sys.argv[2], encoding="utf-8", errors="replace") as log:
            closing = CLOSING.findall(log.read())
        ok = sys.argv[3] == "0"
        totals = [sum(int(n or 0) for n in column) for column in zip(*closing)] or [0, 1, 0]
        if not ok:
            totals[1] = max(totals[1], 1)
    print(*totals)


if __name__ == "__main__":
    main()
