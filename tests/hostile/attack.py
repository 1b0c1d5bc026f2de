#!/usr/bin/env python3
"""Attacks on the real programs from outside, over plain sockets.

  tests/hostile/attack.py [--broker PROGRAM] [--namesrv PROGRAM] [--seed N] [--only WORD] [--patience FACTOR] [--list]

Prints one line per attack and, as the last line, "N passed, N failed"; exit status 0 when none failed. After each
attack the program must live, serve a fresh client in time, hold no more memory than it may, and have no sanitizer
report in its log. --patience stretches all time limits (sanitizer builds: 5).
"""

import argparse
import importlib
import random
import sys
import time
import traceback

from peer import ROOT, Program

MODULES = ["attacks_requests", "attacks_tables", "attacks_network", "attacks_operator", "attacks_consumption",
           "attacks_namesrv"]
PRIVATE_MIB_MAX = 1500


class Context:
    """What an attack is given: the programs, chance, patience."""

    def __init__(self, arguments, seed):
        self.arguments = arguments
        self.random = random.Random(seed)
        self.patience = arguments.patience
        self.programs = []

    def broker(self, settings=None, **options):
        return self._program(self.arguments.broker, settings, **options)

    def namesrv(self, settings=None, **options):
        return self._program(self.arguments.namesrv, settings, **options)

    def _program(self, binary, settings, **options):
        program = Program(binary, settings, boot_s=20 * self.patience, **options)
        self.programs.append(program)
        return program

    def check(self, program, private_mib_max=PRIVATE_MIB_MAX, within_s=3.0):
        program.check_sane(within_s * self.patience)
        if self.patience <= 1:  # a sanitizer's own memory is not the program's
            used = program.private_mib()
            assert used < private_mib_max, f"it holds {used:.0f} MiB, the limit is {private_mib_max}"

    def close(self):
        problems = []
        for program in self.programs:
            try:
                program.stop(40 * self.patience)
            except AssertionError as e:
                problems.append(str(e))
            if line := program.sanitizer_line():
                problems.append(line)
            if self.arguments.keep:
                print("    kept:", program.folder)
            else:
                program.remove()
        return problems


def run(name, attack, arguments, seed, shared):
    begin = time.monotonic()
    context = Context(arguments, f"{seed}/{name}")
    wants_broker = getattr(attack, "shares", None)
    problem = None
    try:
        if wants_broker:
            program = shared.get(wants_broker)
            if program is None or program.process.poll() is not None:
                maker = Context(arguments, seed)
                program = maker.broker() if wants_broker == "broker" else maker.namesrv()
                shared[wants_broker] = program
            attack(context, program)
            context.check(program)
            if line := program.sanitizer_line():
                problem = line
        else:
            attack(context)
    except AssertionError as e:
        problem = str(e) or traceback.format_exc()
    except Exception:  # noqa: BLE001 - whatever happens is this attack's result
        problem = traceback.format_exc()
    problems = ([problem] if problem else []) + context.close()
    took = time.monotonic() - begin
    print(f"{'FAIL' if problems else 'ok  '} {name} ({took:.1f} s)", flush=True)
    for text in problems:
        print("    " + text.strip()[-1500:].replace("\n", "\n    "), flush=True)
    if problems and wants_broker and wants_broker in shared:
        shared.pop(wants_broker).remove()
    return not problems


def main():
    bin_dir = ROOT / "build/release/bin"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", default=str(bin_dir / "merlin-broker"))
    parser.add_argument("--namesrv", default=str(bin_dir / "merlin-namesrv"))
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--only", default="", help="run the attacks whose names contain this")
    parser.add_argument("--patience", type=float, default=1.0)
    parser.add_argument("--keep", action="store_true", help="keep the temporary folders")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    attacks = []
    for module in MODULES:
        attacks += importlib.import_module(module).ATTACKS
    attacks = [(f.__name__, f) for f in attacks if arguments.only in f.__name__]
    if arguments.list:
        for name, attack in attacks:
            print(f"{name}: {(attack.__doc__ or '').strip()}")
        return 0
    print(f"seed {arguments.seed}", flush=True)
    shared, passed, failed = {}, 0, 0
    for name, attack in attacks:
        if run(name, attack, arguments, arguments.seed, shared):
            passed += 1
        else:
            failed += 1
    for program in shared.values():
        try:
            program.stop(40 * arguments.patience)
            if line := program.sanitizer_line():
                raise AssertionError(line)
        except AssertionError as e:
            failed += 1
            print(f"FAIL the shared {'broker' if program.is_broker else 'name server'} at its end: {e}")
        program.remove()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
