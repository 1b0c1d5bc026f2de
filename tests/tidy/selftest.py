#!/usr/bin/env python3
"""Plants one violation of every rule in a small tree and expects it to be found, and its lawful twin not to be."""

import pathlib
import subprocess
import sys
import tempfile

import rules
import tidy

# rule, file, a violation, the lawful twin.
PLANTED = [
    ("rooms", "src/base/a.cpp", '#include "config/options.h"\n', '#include "merlin/base/bytes.h"\n'),
    ("rooms", "src/service/a.cpp", '#include "merlin/wire/command.h"\n', '#include "store/message_store.h"\n'),
    ("rooms", "src/service/b.h", '#include "net/connection.h"\n', '#include "meta/topics.h"\n'),
    ("rooms", "src/net/a.cpp", '#include "rpc/request.h"\n', '#include "merlin/wire/frame.h"\n'),
    ("rooms", "src/store/a.cpp", '#include "service/produce.h"\n', '#include "config/options.h"\n'),
    ("rooms", "src/door/remoting/a.cpp", '#include "store/queue/queue_index.h"\n', '#include "service/produce.h"\n'),
    ("rooms", "src/store/log/a.cpp", '#include "store/queue/queue_index.h"\n', '#include "store/log/segment.h"\n'),
    ("rooms", "src/store/index/a.cpp", '#include "store/dispatch/ring.h"\n', '#include "store/index/index_file.h"\n'),
    ("rooms", "src/service/c.cpp", "#include <sys/epoll.h>\n", "#include <vector>\n"),
    ("rooms", "src/rpc/a.cpp", "#include <spdlog/spdlog.h>\n", '#include "merlin/base/log.h"\n'),
    ("rooms", "include/merlin/base/a.h", "#include <nlohmann/json.hpp>\n", "#include <string>\n"),
    ("rooms", "src/config/a.cpp", '#include "net/if.h"\n', "#include <net/if.h>\n"),
    ("rooms", "src/config/b.cpp", '#include "nlohmann/json.hpp"\n', "#include <nlohmann/json.hpp>\n"),
    ("rooms", "include/merlin/store/a.h", "int a;\n", None),
    ("rooms", "include/merlin/wire/a.h", '#include "merlin/message/record.h"\n', '#include "merlin/base/bytes.h"\n'),
    ("rooms", "src/kitchen/a.cpp", "int a;\n", None),
    ("rooms", "bench/merlin_bench/a.cpp", '#include "net/connection.h"\n', '#include "merlin/wire/command.h"\n'),
    ("calls", "src/base/a.cpp", 'void f() { sprintf(b, "x"); }\n', 'void f() { snprintf(b, 9, "sprintf("); }  // sprintf(\n'),
    ("calls", "src/base/b.cpp", "void f() { strcpy(a, b); }\n", "void f() { memcpy(a, b, 2); }\n"),
    ("calls", "src/base/c.cpp", "int i = atoi(s);\n", "auto r = std::from_chars(a, b, c);\n"),
    ("calls", "src/base/d.cpp", "int i = std::stoi(s);\n", "auto s = std::to_string(i);\n"),
    ("calls", "src/base/e.cpp", "long i = strtol(s, &e, 10);\n", "long i = my_strtol_like;\n"),
    ("calls", "src/base/f.cpp", "std::this_thread::sleep_for(x);\n", "cv.wait_for(lock, x);\n"),
    ("calls", "src/base/g.cpp", "void f() { usleep(1); }\n", "void f() { q.sleep(1); }\n"),
    ("calls", "src/store/h.cpp", "void f() { std::cout << 1; }\n", 'log_info("store", "std::cout");\n'),
    ("calls", "src/store/i.cpp", 'void f() { printf("x"); }\n', 'void f() { fmt::format("printf()"); }\n'),
    ("calls", "src/rpc/j.cpp", "void f() { exit(1); }\n", "void f() { gate.exit(1); }\n"),
    ("calls", "src/rpc/k.cpp", 'void f() { system("ls"); }\n', "bool is_system_topic(int);\n"),
    ("calls", "src/app/l.cpp", 'void f() { popen("ls", "r"); }\n', "void f() { exit(0); std::cout << 1; }\n"),
    ("calls", "src/app/m.cpp", 'void f() { execve("/bin/ls", a, b); }\n', "void f() { executor.execute(1); }\n"),
    ("calls", "src/base/n.cpp", "int r = rand();\n", "int r = random_word();\n"),
    ("calls", "src/base/o.cpp", 'std::regex e("x");\n', "/* std::regex */ int e;\n"),
    ("calls", "src/base/p.cpp", "auto* t = localtime(&s);\n", "auto* t = localtime_r(&s, &u);\n"),
    ("calls", "src/base/q.cpp", "using namespace merlin;\n", "using namespace std::chrono_literals;\n"),
    ("calls", "src/base/r.cpp", "std::this_thread::sleep_for(x);  // tidy: allow sleep_for\n",
     "std::this_thread::sleep_for(x);  // tidy: allow sleep_for because the device has no event\n"),
    ("calls", "src/base/s.cpp", 'auto raw = R"(a " quote)"; int i = atoi(s);\n', 'auto raw = R"(a " atoi( )";\n'),
    ("calls", "src/base/t.cpp", "int big = 1'000; int i = atoi(s); int c = '\"';\n", "char c = '\"'; f(\"atoi(\");\n"),
    ("size", "src/base/a.cpp", "int a;\n" * (rules.LINES_MAX + 1), "int a;\n" * rules.LINES_MAX),
    ("paths", "docs/a.md", "see " + "/" + "work/main/x\n", "see docs/work/x\n"),
    ("paths", "scripts/a", "cd " + "/" + "root/x\n", "cd root/x\n"),
    ("headers", "src/base/a.h", "std::string f();\n", "#pragma once\n#include <string>\nstd::string f();\n"),
    ("headers", "src/base/b.h", "inline int g() { return 1; }\n", "#pragma once\ninline int g() { return 1; }\n"),
]


def run(rule, name, content):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        path = root / name
        path.parent.mkdir(parents=True)
        path.write_text(content, encoding="utf-8")
        subprocess.run(["git", "init", "-q", folder], check=False)
        return tidy.violations(root, rule, "c++")


def heavy_header_is_private():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, content in {"src/meta/t.h": "#include <nlohmann/json.hpp>\n", "src/meta/a.cpp": '#include "meta/t.h"\n',
                              "src/service/a.cpp": '#include "meta/t.h"\n'}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(content, encoding="utf-8")
        subprocess.run(["git", "init", "-q", folder], check=False)
        return [name for name, _, _ in tidy.violations(root, "rooms")] == ["src/service/a.cpp"]


def main():
    failed = 0
    if not heavy_header_is_private():
        failed += 1
        print("a header with a heavy library was not kept private to its room")
    for rule, name, bad, good in PLANTED:
        if len(run(rule, name, bad)) != 1:
            failed += 1
            print(f"{rule}: the violation in {name} was not found once: {bad[:100]!r}")
        if good is not None and run(rule, name, good):
            failed += 1
            print(f"{rule}: found a violation where none is, in {name}: {good[:100]!r}")
    covered = {bad for rule, _, bad, _ in PLANTED if rule == "calls"}
    for pattern, call, _, _ in rules.CALLS:
        if not any(tidy.re.search(pattern, bad) for bad in covered) and not call.startswith("localtime"):
            failed += 1
            print(f"no planted violation for {call}")
    print(f"{max(0, len(PLANTED) + 1 - failed)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
