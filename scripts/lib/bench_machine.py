"""What the machine did during a measurement: CPU taken by the hypervisor and by others."""

import os
import pathlib
import platform
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_ticks():
    """(busy, steal, all) of all cores since boot."""
    user, nice, system, idle, iowait, irq, softirq, steal = map(
        int, pathlib.Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9])
    busy = user + nice + system + irq + softirq
    return busy, steal, busy + idle + iowait + steal


class Watch:
    """Steal, and the cores that neither broker nor tool used, between its making and done()."""

    def __init__(self):
        self.before, self.begin = cpu_ticks(), time.monotonic()

    def done(self, own_cores):
        busy, steal, every = (after - before for after, before in zip(cpu_ticks(), self.before))
        seconds = max(time.monotonic() - self.begin, 1e-3)
        return {"steal_percent": 100 * steal / max(every, 1),
                "outside_cores": max(busy / TICKS / seconds - own_cores, 0)}


def command_output(*words):
    try:
        result = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return (result.stdout + result.stderr).strip()


def environment(root):
    model = ""
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    memory_kib = int(pathlib.Path("/proc/meminfo").read_text(encoding="ascii").split()[1])
    java = command_output("java", "-version").splitlines()
    return {"date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "cpu": model, "cores": os.cpu_count(),
            "memory_gib": round(memory_kib / 2**20), "kernel": platform.release(), "load_average": os.getloadavg()[0],
            "java": java[0] if java else "none",
            "commit": command_output("git", "-C", str(root), "describe", "--always", "--dirty").split("\n")[-1]
                      if (root / ".git").exists() else "unknown"}
