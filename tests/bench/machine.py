"""What a run takes of the machine, from /proc: CPU, memory, and how much others took meanwhile."""

import os
import platform
import statistics
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
SYNCS = 100  # Of which the median is told.
CALM_CPU = 0.2  # Processors busy with something else, at most.
CALM_LOOK_S = 2.0
_RESET_PEAK = "5"  # See proc(5), clear_refs.


class Used(NamedTuple):
    """What a process took since it started, with the children it has waited for."""

    cpu_s: float
    resident_bytes: int
    peak_bytes: int


def used_by(pid: int) -> Used:
    """Return what the process takes and has taken."""
    # The name may hold spaces and parentheses: the fields begin behind the last one.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = sum(int(field) for field in fields[11:15])  # utime, stime, and both of children.
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    sizes = dict(line.split(":", 1) for line in lines if line.startswith("Vm"))
    resident, peak = (int(sizes[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    return Used(ticks / TICKS_PER_S, resident, peak)


def forget_peak(pid: int) -> None:
    """Let the peak of a process's memory begin anew, at what it takes now."""
    Path(f"/proc/{pid}/clear_refs").write_text(_RESET_PEAK)


def busy_s() -> float:
    """Return the CPU seconds that all processors have been busy since the machine started."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _idle, _wait, interrupt, soft_interrupt, stolen = map(int, fields[:8])
    return (user + nice + system + interrupt + soft_interrupt + stolen) / TICKS_PER_S


def wait_until_calm(patience_s: float) -> None:
    """Wait until hardly anything else runs here, but no longer than `patience_s`."""
    until_s = time.monotonic() + patience_s
    while time.monotonic() < until_s:
        before_s = busy_s()
        time.sleep(CALM_LOOK_S)
        if busy_s() - before_s < CALM_CPU * CALM_LOOK_S:
            return


def describe(folder: Path) -> dict[str, object]:
    """Return what figures mean nothing without."""
    memory = Path("/proc/meminfo").read_text().splitlines()[0].split()[1]
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": models[0] if models else platform.machine(),
        "processors": os.cpu_count(),
        "memory_bytes": int(memory) * 1024,
        "kernel": platform.release(),
        "file_system": file_system_of(folder),
        "sync_ms": round(sync_s(folder) * 1000, 3),
        "python": platform.python_version(),
        "mosquitto": mosquitto_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def file_system_of(folder: Path) -> str:
    """Return the kind of file system that `folder` lies on."""
    best = ("", "unknown")
    for line in Path("/proc/mounts").read_text().splitlines():
        _device, point, kind = line.split()[:3]
        if Path(point) in (folder, *folder.parents) and len(point) > len(best[0]):
            best = (point, kind)
    return best[1]


def sync_s(folder: Path) -> float:
    """Return how long it takes to append a page and sync it, the median."""
    path = folder / "sync-probe"
    times = []
    with path.open("wb", buffering=0) as file:
        for _ in range(SYNCS):
            began_s = time.monotonic()
            file.write(b"\0" * 4096)
            os.fdatasync(file.fileno())
            times.append(time.monotonic() - began_s)
    path.unlink()
    return statistics.median(times)


def mosquitto_version() -> str:
    """Return the version of the broker that the runs use."""
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    result = subprocess.run(
        ["mosquitto", "-h"], check=False, capture_output=True, text=True, env={"PATH": path}
    )
    return result.stdout.partition("version ")[2].split("\n")[0].strip() or "unknown"
