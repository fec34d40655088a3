"""What the runs come to: medians, ratios first, figures second, and the machine they hold for.

A system that lost messages gets no rate and no ratio, only the count of what it lost: to drop is
always fast.
"""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

WIDTH = 118
MEBIBYTE = 1024 * 1024
OURS = "tidegate"  # How the names of our systems begin.
MEMORY_GOAL_BYTES = 64 * MEBIBYTE

Run = Mapping[str, Any]


def median_of(runs: Sequence[Run], name: str) -> float:
    return statistics.median([run[name] for run in runs])


def summary(runs: Sequence[Run]) -> dict[str, Any]:
    """Return the medians of one system's runs, and whatever went wrong in any of them."""
    names = [name for name in runs[0] if isinstance(runs[0][name], int | float)]
    result: dict[str, Any] = {name: median_of(runs, name) for name in names}
    for name in ("lost", "twice", "disordered"):
        result[name] = max(run[name] for run in runs)
    result["per_s_min"] = min(run["per_s"] for run in runs)
    result["per_s_max"] = max(run["per_s"] for run in runs)
    return result


def is_whole(figures: Run) -> bool:
    """Tell whether everything arrived, once, in order, in every run."""
    return not (figures["lost"] or figures["twice"] or figures["disordered"])


def show(results: Mapping[str, Any]) -> None:
    """Print everything; `results` is what the JSON file holds."""
    console = Console(width=WIDTH)
    groups: dict[str, dict[str, Any]] = {}
    for name, runs in results["systems"].items():
        groups.setdefault(runs[0]["group"], {})[name] = summary(runs)
    for group, systems in groups.items():
        paced = any(figures["wait_ms_99"] for figures in systems.values())
        console.print(_waits(group, systems) if paced else _figures(group, systems))
        ours = sum(name.startswith(OURS) for name in systems)
        if not paced and 0 < ours < len(systems):
            console.print(_ratios(systems))
    console.print(_programs(results["systems"]))
    if results["backlog"]:
        backlog = {name: summary(runs) for name, runs in results["backlog"].items()}
        console.print(_backlog(backlog))
    machine = results["machine"]
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()))
    console.print(results["method"])


def _ratios(systems: Mapping[str, Run]) -> Table:
    table = Table(title="Tidegate against the others", title_justify="left")
    table.add_column("ours")
    table.add_column("against")
    table.add_column("messages a second", justify="right")
    table.add_column("CPU a message", justify="right")
    for ours, figures in systems.items():
        if not ours.startswith(OURS):
            continue
        for peer, theirs in systems.items():
            if not peer.startswith(OURS):
                cpu = figures["cpu_s_per_million"] / max(0.01, theirs["cpu_s_per_million"])
                table.add_row(ours, peer, _ratio(figures, theirs), f"{cpu:.2f}")
    return table


def _ratio(ours: Run, theirs: Run) -> str:
    if not is_whole(theirs):
        return "it loses messages"
    if not is_whole(ours):
        return "ours loses messages"
    return f"{ours['per_s'] / theirs['per_s']:.2f}"


def _waits(title: str, systems: Mapping[str, Run]) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in ("system", "messages", "median ms", "99 % ms", "longest ms", "MiB", "others"):
        table.add_column(heading, justify="left" if heading == "system" else "right")
    for name, figures in systems.items():
        waits = [f"{figures[key]:.2f}" for key in ("wait_ms_50", "wait_ms_99", "wait_ms_max")]
        table.add_row(
            name,
            f"{figures['messages']:,.0f}",
            *waits,
            _mebibytes(figures["peak_bytes"]),
            f"{figures['others_cpu']:.2f}",
        )
    return table


def _figures(title: str, systems: Mapping[str, Run]) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in (
        "system", "messages", "a second", "lowest to highest", "CPU s a million", "MiB", "others"
    ):  # fmt: skip
        table.add_column(heading, justify="left" if heading == "system" else "right")
    for name, figures in systems.items():
        table.add_row(
            name,
            f"{figures['messages']:,.0f}",
            _rate(figures),
            f"{figures['per_s_min']:,} to {figures['per_s_max']:,}" if is_whole(figures) else "",
            f"{figures['cpu_s_per_million']:.1f}",
            _mebibytes(figures["peak_bytes"]),
            f"{figures['others_cpu']:.2f}",
        )
    return table


def _rate(figures: Run) -> str:
    if is_whole(figures):
        return f"{figures['per_s']:,.0f}"
    faults = [
        f"{figures[name]:,} {name}" for name in ("lost", "twice", "disordered") if figures[name]
    ]
    return ", ".join(faults)


def _programs(systems: Mapping[str, Sequence[Run]]) -> Table:
    table = Table(title="Program by program", title_justify="left")
    for heading in ("system", "program", "CPU s a million", "MiB"):
        table.add_column(heading, justify="left" if heading in ("system", "program") else "right")
    for name, runs in systems.items():
        for at, program in enumerate(runs[0]["programs"]):
            taken = [run["programs"][program] for run in runs]
            cpu_s = median_of(taken, "cpu_s") * 1e6 / median_of(runs, "messages")
            peak = _mebibytes(median_of(taken, "peak_bytes"))
            table.add_row("" if at else name, program, f"{cpu_s:.1f}", peak)
    return table


def _backlog(backlog: Mapping[str, Run]) -> Table:
    table = Table(title="A backlog, drained when the line comes back", title_justify="left")
    for heading in (
        "system", "records", "drained a second", "CPU s a million",
        "MiB holding", "MiB peak", "MiB after", "others",
    ):  # fmt: skip
        table.add_column(heading, justify="left" if heading == "system" else "right")
    for name, figures in backlog.items():
        sizes = [figures[key] for key in ("holding_bytes", "peak_bytes", "after_bytes")]
        table.add_row(
            name,
            f"{figures['messages']:,.0f}",
            _rate(figures),
            f"{figures['cpu_s_per_million']:.1f}",
            *[_mebibytes(size) for size in sizes],
            f"{figures['others_cpu']:.2f}",
        )
        if name.startswith(OURS):
            within = figures["peak_bytes"] <= MEMORY_GOAL_BYTES
            goal = _mebibytes(MEMORY_GOAL_BYTES)
            table.caption = f"the gateway's goal of {goal} MiB is {'kept' if within else 'missed'}"
    return table


def _mebibytes(size: float) -> str:
    return f"{size / MEBIBYTE:.1f}"
