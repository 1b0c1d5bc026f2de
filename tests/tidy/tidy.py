#!/usr/bin/env python3
"""House rules that need no build.

  tidy.py ROOT RULE...                 rules: rooms, calls, size, paths
  tidy.py ROOT headers COMPILER        every header compiles alone

Prints one line per violation, "file:line: what, and what to do", then "N passed, N failed". Exit status 1 on violations.
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

import rules

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')


def tracked_files(root):
    """What belongs to the project: tracked and new files, without build outputs."""
    try:
        listed = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard", "-z"], check=True,
                                capture_output=True).stdout.decode().split("\0")
        names = sorted(set(name for name in listed if name))
    except (OSError, subprocess.CalledProcessError):  # a source archive has no .git
        names = sorted(str(path.relative_to(root)) for path in root.rglob("*")
                       if not {"build", ".git", "data", "target"} & set(path.relative_to(root).parts))
    return [name for name in names if (root / name).is_file()]


def text_of(path):
    return path.read_text(encoding="utf-8", errors="replace")


def room_of(name):
    """The room and, in the store, the inner room of a source file; (None, None) for what is outside src and include."""
    parts = pathlib.PurePosixPath(name).parts
    if parts[:2] == ("include", "merlin") and len(parts) > 3:
        return parts[2], None
    if parts[0] == "src" and len(parts) > 2:
        inner = parts[2] if parts[1] == "store" and len(parts) > 3 else None
        return parts[1], inner
    return None, None


def path_of(name, include, root):
    """The project file that a quoted include in the file `name` names: a sibling, or a path from src or include."""
    sibling = pathlib.PurePosixPath(name).parent / include
    if (root / sibling).is_file():
        return str(sibling)
    return ("include/" if include.startswith("merlin/") else "src/") + include


def heavy_include(path):
    """The first library include of a header that nobody outside its room should pay for; None when it has none."""
    if not path.is_file():
        return None
    for line in text_of(path).splitlines():
        found = INCLUDE.match(line)
        if found and found.group(2).startswith(rules.HEAVY):
            return found.group(2)
    return None


def check_include(name, include, quoted, root):
    """Why this file must not have this include; None when it may."""
    room, inner = room_of(name)
    if not quoted:
        for prefix, rooms, reason in rules.LIBRARIES:
            if include.startswith(prefix) and room not in rooms:
                return f"only {', '.join(sorted(rooms))} may include <{include}>: {reason}"
        if name.startswith("include/") and include.startswith(rules.HEAVY):
            return f"a public header must not include <{include}>: everything behind it would pay"
        return None
    target = path_of(name, include, root)
    to_room, to_inner = room_of(target)
    if to_room not in rules.ROOMS:
        return f'"{include}" is in no room; libraries are included with <>'
    if to_room != room and to_room not in rules.ROOMS[room]:
        return f'room {room} must not include room {to_room} ("{include}"); it may include: ' \
               f'{", ".join(sorted(rules.ROOMS[room])) or "nothing"}'
    if to_room == "store" and room not in ("store", "app") and include not in rules.STORE_FACE:
        return f'"{include}" is inside the store; its face is store/message_store.h'
    heavy = heavy_include(root / target) if to_room != room else None
    if heavy:
        return f'"{include}" is private to {to_room}, since it includes <{heavy}>'
    if room == "store" and inner and to_inner and to_inner != inner and to_inner not in rules.STORE_ROOMS.get(inner, set()):
        return f'store/{inner} must not include store/{to_inner} ("{include}")'
    return None


def rule_rooms(root, files):
    for name in files:
        if not name.endswith((".h", ".cpp")):
            continue
        if name.startswith("include/"):
            parts = pathlib.PurePosixPath(name).parts
            if len(parts) != 4 or parts[1] != "merlin" or parts[2] not in rules.PUBLIC_ROOMS:
                yield name, 1, "include/merlin holds only base, wire and message; other headers sit beside their sources"
                continue
        elif name.startswith("src/"):
            if room_of(name)[0] not in rules.ROOMS:
                yield name, 1, f"src/ has the rooms {', '.join(rules.ROOMS)}; add a new one to tests/tidy/rules.py"
                continue
        elif not name.startswith("bench/merlin_bench/"):
            continue
        for number, line in enumerate(text_of(root / name).splitlines(), 1):
            found = INCLUDE.match(line)
            if not found:
                continue
            quoted, include = found.group(1) == '"', found.group(2)
            if name.startswith("bench/merlin_bench/"):
                if quoted and include.split("/")[0] in rules.ROOMS:
                    yield name, number, f'the load tool stands on include/merlin alone, not on "{include}"'
                continue
            why = check_include(name, include, quoted, root)
            if why:
                yield name, number, why


def without_comments_and_strings(text):
    """The code of a C++ file with comments and literals blanked, line by line the same."""
    def blank(found):
        return re.sub(r"[^\n]", " ", found.group(0))
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|R"(?P<tag>[^ ()\\\t\v\f\n]*)\(.*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*"'
                         r"|(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+'", re.DOTALL)
    return pattern.sub(blank, text)


def rule_calls(root, files):
    calls = [(re.compile(pattern), *rest) for pattern, *rest in rules.CALLS]
    for name in files:
        if not name.endswith((".h", ".cpp")) or not name.startswith(("src/", "include/")):
            continue
        room = room_of(name)[0]
        text = text_of(root / name)
        lines = text.splitlines()
        for number, code in enumerate(without_comments_and_strings(text).splitlines(), 1):
            for pattern, call, instead, allowed_rooms in calls:
                if room in allowed_rooms or not pattern.search(code):
                    continue
                if re.search(rf"// tidy: allow {re.escape(call)} because \w+", lines[number - 1]):
                    continue
                yield name, number, f"{call} is banned here; use {instead}"


def rule_size(root, files):
    for name in files:
        if not name.endswith(rules.CODE_SUFFIXES) or name in rules.LONG_TABLES:
            continue
        count = text_of(root / name).count("\n")
        if count > rules.LINES_MAX:
            yield name, count, f"{count} lines; the limit is {rules.LINES_MAX}: split it by feature"


def rule_paths(root, files):
    pattern = re.compile("|".join(rf"(?<![\w.]){path}" for path in rules.MACHINE_PATHS))
    for name in files:
        if name in rules.MACHINE_PATHS_EXCUSED:
            continue
        data = (root / name).read_bytes()
        if b"\0" in data[:4096]:
            continue  # binary: golden files
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            if pattern.search(line):
                yield name, number, "names a place of one machine; use a path relative to the checkout"


def first_include(path):
    for line in text_of(path).splitlines():
        found = INCLUDE.match(line)
        if found:
            return found.group(2)
    return None


def headers_to_compile(root, files):
    """Headers that the build does not prove: those that no source file includes as its first line of code."""
    first = {first_include(root / name) for name in files if name.endswith(".cpp")}
    headers = [name for name in files if name.endswith(".h") and name.startswith(("include/", "src/"))]
    def spelt(name):
        return name.split("/", 1)[1]
    return [name for name in headers if spelt(name) not in first], [name for name in headers if spelt(name) in first]


def rule_headers(root, files, compiler):
    alone, proven = headers_to_compile(root, files)
    print(f"{len(proven)} headers are the first include of a source file, {len(alone)} are compiled here")
    def compile_one(name):
        command = compiler.split() + ["-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Wno-pragma-once-outside-header",
                                      "-DSPDLOG_COMPILED_LIB", "-DSPDLOG_FMT_EXTERNAL", "-I", str(root / "include"), "-I",
                                      str(root / "src"), "-x", "c++", "-"]
        source = f'#include "{name.split("/", 1)[1]}"\n#include "{name.split("/", 1)[1]}"\n'
        result = subprocess.run(command, input=source.encode(), capture_output=True)
        if result.returncode == 0:
            return None
        message = result.stderr.decode(errors="replace").strip().splitlines()
        errors = [line for line in message if "error" in line] or message
        return name, 1, "does not compile alone: " + errors[0]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for violation in pool.map(compile_one, alone):
            if violation:
                yield violation


RULES = {"rooms": rule_rooms, "calls": rule_calls, "size": rule_size, "paths": rule_paths}


def violations(root, rule, argument=None):
    files = tracked_files(root)
    if rule == "headers":
        return list(rule_headers(root, files, argument or "c++"))
    return list(RULES[rule](root, files))


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    names = sys.argv[2:]
    argument = None
    if names[:1] == ["headers"]:
        names, argument = ["headers"], " ".join(names[1:])
    failed = 0
    for rule in names:
        found = violations(root, rule, argument)
        failed += bool(found)
        for name, number, why in found:
            print(f"{name}:{number}: {why}")
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
