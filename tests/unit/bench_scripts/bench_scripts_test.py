#!/usr/bin/env python3
"""bench_scripts_test.py SCRIPTS_LIB: what the bench scripts compute from results, without running a broker."""

import pathlib
import sys
import tempfile
import unittest
import xml.dom.minidom

sys.path.insert(0, sys.argv.pop(1))
import bench_report  # noqa: E402
import core_path  # noqa: E402

PROFILE = """# callgrind format
positions: line
events: Ir
summary: 0

ob=(1) /bin/core_path
fn=(1) merlin::wire::decode(std::span<unsigned char>)
10 100
cfn=(2) std::from_chars(char const*)
calls=3 7
10 30
+1 5
cob=(2) /usr/lib/libdeflate.so.0
cfn=(3) 0x000000000001d800
calls=1 0
11 40
cfn=(4) merlin::store::CommitLog::place(std::span<int>, merlin::Buffer&)
calls=1 0
11 1000

fn=(2)
7 30

fn=(4)
20 1000

ob=(2)
fn=(3)
0 40
"""


def document(rounds, **sides):
    return {"environment": {"date": "d", "commit": "c", "cpu": "p", "cores": 2, "memory_gib": 1, "kernel": "k",
                            "java": "j", "load_average": 0.5}, "seconds": 1, "rounds": rounds,
            "names": {"a": "ours", "b": "theirs"}, "results": {"8x64": sides}}


def run(rate, cpu, steal=0.0, number=0):
    return {"round": (0, number), "messages_per_second": rate, "broker_cpu_s_per_million": cpu, "steal_percent": steal, "verdict": "good",
            "disturbed": steal > 5}


class CorePath(unittest.TestCase):
    def profile(self):
        with tempfile.NamedTemporaryFile("w", suffix=".callgrind") as file:
            file.write(PROFILE)
            file.flush()
            return core_path.instructions_by_function(pathlib.Path(file.name))

    def test_each_instruction_counts_once(self):
        own, _ = self.profile()
        self.assertEqual(sum(own.values()), 100 + 5 + 30 + 1000 + 40)
        self.assertEqual(own["in libdeflate.so.0"], 40)

    def test_rooms_take_the_library_functions_that_they_call(self):
        _, with_libraries = self.profile()
        rooms = core_path.by_room(with_libraries)
        self.assertEqual((rooms["wire"], rooms["store"]), (175, 1000))

    def test_names_lose_parameters_and_template_arguments(self):
        self.assertEqual(core_path.short("merlin::Result<merlin::door::H> merlin::wire::decode_header<merlin::door::H>"
                                         "(merlin::wire::CommandView const&)"), "wire::decode_header")
        self.assertEqual(core_path.short("merlin::wire::(anonymous namespace)::Scanner::key(int&) [clone .constprop.0]"),
                         "wire::Scanner::key")
        self.assertEqual(core_path.short("operator new(unsigned long)"), "operator new")

    def check(self, instructions, allocations):
        results = {"send": {"instructions": instructions, "allocations": allocations}}
        return list(core_path.failures(results, {"send": (1000.0, 0.0)}))

    def test_the_gate(self):
        self.assertEqual(self.check(1029, 0.0), [])
        self.assertEqual(len(self.check(1031, 0.0)), 1)
        self.assertEqual(len(self.check(500, 0.01)), 1)
        self.assertEqual(len(list(core_path.failures({"new": {"instructions": 1, "allocations": 0}}, {}))), 1)


class Report(unittest.TestCase):
    def test_ratios_are_taken_within_a_round_and_above_one_is_better(self):
        ours, theirs = [run(200, 1), run(300, 2, number=1)], [run(100, 10, number=1), run(50, 10)]
        self.assertEqual(bench_report.ratios(ours, theirs, "messages_per_second", True), [4, 3])
        self.assertEqual(bench_report.ratios(ours, theirs, "broker_cpu_s_per_million", False), [10, 5])

    def test_runs_of_several_documents_count_together(self):
        merged = bench_report.merge([document(1, a=[run(1, 1)], b=[run(1, 1)]),
                                     document(1, a=[run(3, 1)], control=[run(1, 1)])])
        rows = {label: rest for label, *rest in bench_report.rows_of(merged["results"]["8x64"])}
        shown = {"a": "2", "b": "1", "control": "1"}
        self.assertEqual(rows["msg/s"], [shown, "1.00 (1.00..1.00)", "3.00 (3.00..3.00)"])

    def test_report_and_plot_are_written_and_disturbed_runs_are_marked(self):
        merged = bench_report.merge([document(2, a=[run(200, 1), run(200, 1, 9)], b=[run(10, 20), run(10, 20)])])
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "report.md"
            bench_report.write(merged, path)
            self.assertIn("## 8x64*\n", path.read_text(encoding="utf-8"))
            xml.dom.minidom.parse(str(path.with_suffix(".svg")))


if __name__ == "__main__":
    unittest.main()
