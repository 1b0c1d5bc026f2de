"""The house rules as data. tidy.py applies them, selftest.py proves each by a planted violation."""

# Which rooms a room may include, beside itself: docs/architecture.md, "Rooms". The order is from the ground up.
ROOMS = {
    "base": set(),
    "config": {"base"},
    "wire": {"base"},
    "message": {"base"},
    "filter": {"base", "message"},
    "store": {"base", "config", "message"},
    "meta": {"base", "config", "message"},
    # Services know messages, topics and groups, never a header or a socket.
    "service": {"base", "config", "message", "filter", "store", "meta"},
    "net": {"base", "wire"},
    "rpc": {"base", "config", "wire", "net"},
    "door": {"base", "config", "wire", "message", "store", "meta", "service", "net", "rpc"},
    "namesrv": {"base", "config", "wire", "net", "rpc"},
    "app": {"base", "config", "wire", "message", "filter", "store", "meta", "service", "net", "rpc", "door", "namesrv"},
}

# Rooms inside the store. Files directly in src/store are its face and may include all of them.
STORE_ROOMS = {
    "log": set(),
    "queue": set(),
    "index": set(),
    "dispatch": {"log", "queue", "index"},
}
# All that other rooms see of the store; app builds it and may look further.
STORE_FACE = {"store/message_store.h"}

# What more than one program includes.
PUBLIC_ROOMS = {"base", "wire", "message"}

# Libraries that only these rooms may include, with the reason.
LIBRARIES = [
    ("sys/epoll.h", {"net"}, "sockets and timers live in net"),
    ("spdlog/spdlog.h", {"base"}, "log through merlin/base/log.h"),
    ("libdeflate.h", {"base"}, "checksums come from merlin/base/crc32.h"),
]

# Libraries that cost seconds per source file: no public header includes them, and a header in src that does is private to its
# room.
HEAVY = ("nlohmann/json.hpp", "spdlog/spdlog.h")

# Calls that are banned: (pattern, what to use instead, rooms of src in which it is allowed). Comments and string literals do
# not count. A line may excuse itself with "// tidy: allow NAME because ..." when the reason is said.
CALLS = [
    (r"\b(?:sprintf|vsprintf)\s*\(", "sprintf", "fmt::format_to_n or std::snprintf: they know the size", ()),
    (r"\b(?:strcpy|strcat|strncpy|strncat|stpcpy)\s*\(", "strcpy", "std::string, or std::memcpy with a checked size", ()),
    (r"\b(?:atoi|atol|atoll|atof)\s*\(", "atoi", "std::from_chars: it reports errors", ()),
    (r"\bstd::sto(?:i|l|ll|ul|ull|f|d|ld)\s*\(", "std::stoi", "std::from_chars: it does not throw", ()),
    (r"\b(?:strtol|strtoll|strtoul|strtoull|strtod|strtof)\s*\(", "strtol", "std::from_chars: no errno, no locale", ()),
    (r"\b(?:sleep_for|sleep_until)\s*\(", "sleep_for", "wait for the condition, or a reactor timer", ()),
    (r"(?<![\w.>])(?:usleep|nanosleep|sleep)\s*\(", "usleep", "wait for the condition, or a reactor timer", ()),
    (r"\bstd::(?:cout|cerr|clog)\b", "std::cout", "log_info and its kin", ("app",)),
    (r"(?<![\w.>])(?:printf|puts|putchar|fprintf|fputs|perror)\s*\(", "printf", "log_info and its kin", ("app",)),
    (r"(?<![\w.>])(?:exit|_exit|_Exit|quick_exit)\s*\(", "exit",
     "return an error, or call the fail_stop handler: only app ends the process (bugs assert or abort)", ("app",)),
    (r"(?<![\w.>])(?:system|popen|posix_spawnp?|execl|execlp|execle|execv|execve|execvp|execvpe|fexecve|vfork|fork)\s*\(",
     "system", "nothing: a server starts no programs", ()),
    (r"(?<![\w.>])(?:rand|srand|drand48)\s*\(", "rand", "a std::mt19937_64 of your own", ()),
    (r"\bstd::regex\b", "std::regex", "a hand-written scan: std::regex recurses once per character", ()),
    (r"(?<![\w.>])(?:localtime|gmtime|asctime|ctime|strtok|getservbyname|gethostbyname|inet_ntoa)\s*\(", "localtime",
     "the thread-safe form (localtime_r)", ()),
    (r"\bstd::(?:localtime|gmtime|asctime|ctime|strtok)\s*\(", "localtime",
     "the thread-safe form (localtime_r)", ()),
    (r"\busing\s+namespace\s+(?!std::(?:literals|chrono_literals|string_view_literals|string_literals))", "using namespace",
     "the name, qualified or by a using declaration", ("app",)),
]

# Longest file, in lines. Files that are one table of data may be longer.
LINES_MAX = 800
CODE_SUFFIXES = (".h", ".cpp", ".py", ".sh", ".java", ".cmake", "CMakeLists.txt")
LONG_TABLES = set()

# Places that exist on one machine only. Spelt in pieces, so that this file does not contain them.
MACHINE_PATHS = ["/" + "work/", "/" + "root/", "/" + "home/[a-z]", "/" + "tmp/[a-z]+-checkout"]
# Where such a path is data and not a place.
MACHINE_PATHS_EXCUSED = {"docker/Dockerfile"}
