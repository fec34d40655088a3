"""`tidegate status`: what a gateway says of itself, or its journal where no gateway runs.

The running gateway is asked over HTTP.  Only where nobody listens there is the journal read, which
disturbs nobody; then what only a running gateway knows (the line, rates, ages) is missing.
"""

import json
from pathlib import Path
from typing import Any

import click
import requests
from rich.console import Console
from rich.table import Table

from tidegate.config.settings import GatewaySettings
from tidegate.errors import StorageError
from tidegate.records.stream import Stream
from tidegate.store.journal import JournalState, LaneState
from tidegate.version import VERSION
from tidegate_linux.config import load_gateway
from tidegate_linux.errors import OperatorError
from tidegate_linux.journal.aside import salvages
from tidegate_linux.journal.folder import lock_holder
from tidegate_linux.journal.sqlite import read_state
from tidegate_linux.log import escaped
from tidegate_linux.status.survey import salvage_fields

URL_DEFAULT = "http://127.0.0.1:9180"
WAIT_S = 5.0
NOT_RUNNING = "not running"


class StatusError(OperatorError):
    """Report that there is no status to show, and what to do about it."""


def run_status(config: Path | None, as_json: bool) -> None:
    """Print the status of the gateway that `config` describes, or of the one at the usual port."""
    settings = None if config is None else load_gateway(config, secrets=False)[0]
    fields = status_fields(settings)
    if as_json:
        click.echo(json.dumps(fields, indent=1))
    else:
        show(fields, Console(highlight=False))


def status_fields(settings: GatewaySettings | None) -> dict[str, Any]:
    """Return the contract's fields from the running gateway, else from its journal."""
    url = URL_DEFAULT
    if settings is not None:
        url = "" if settings.status.url is None else str(settings.status.url)
    fields = ask(url) if url else None
    if fields is not None:
        return fields
    if settings is None:
        hint = "name the gateway's file with -c FILE, then its journal is read instead"
        raise StatusError(f"no gateway answers at {url}", hint)
    try:
        return stored_fields(settings, read_state(Path(settings.node.data)))
    except StorageError as error:
        hint = "run it as a user who may read the data folder; tidegate check says more"
        raise StatusError(f"the journal in {settings.node.data}: {error}", hint) from error


def ask(url: str) -> dict[str, Any] | None:
    """Return what the gateway at `url` says; None where nobody listens."""
    # A gateway that listens on all addresses is on this one too.
    url = url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    session = requests.Session()
    session.trust_env = False
    try:
        answer = session.get(f"{url}/status.json", timeout=WAIT_S, allow_redirects=False)
        fields = answer.json()
    except requests.JSONDecodeError as error:
        raise StatusError(f"what listens at {url} is no gateway", _HINT_URL) from error
    except requests.ConnectionError:
        return None
    except requests.RequestException as error:
        hint = "if it stays so, look at its log"
        raise StatusError(f"the gateway at {url} does not answer", hint) from error
    if answer.status_code == 503 and isinstance(fields, dict):
        raise StatusError(f"the gateway at {url} is starting", "ask again in a second")
    if answer.status_code != 200 or not isinstance(fields, dict) or "streams" not in fields:
        raise StatusError(f"what listens at {url} is no gateway", _HINT_URL)
    return fields


_HINT_URL = "name the file of the gateway with -c FILE; its [status] url is asked"


def stored_fields(settings: GatewaySettings, state: JournalState) -> dict[str, Any]:
    """Return the contract's fields as far as a journal has them."""
    streams = [_stream(state.node, lane) for lane in state.lanes]
    held = sum(lane.held_records for lane in state.lanes)
    salvaged = salvages(Path(settings.node.data))
    process = lock_holder(Path(settings.node.data))
    return {
        "node": state.node,
        "name": settings.node.name,
        "version": VERSION,
        "running": process != 0,
        "process": process or None,
        "streams": streams,
        "backlog": {
            "records": held,
            "bytes": sum(lane.held_bytes for lane in state.lanes),
            "oldest_age_s": None if held else 0.0,
        },
        "link": {"state": NOT_RUNNING, "since": None, "last_error": ""},
        "rate": {"in_per_s": 0.0, "out_per_s": 0.0},
        "offline_capacity_s": None,
        "journal": {"salvaged": salvage_fields(salvaged)},
        "health": {"problems": [], "warnings": [str(one) for one in salvaged]},
    }


def _stream(node: str, lane: LaneState) -> dict[str, Any]:
    dropped = sum(lane.dropped.values())
    accounted = lane.delivered + lane.held_records + lane.quarantined + dropped
    return {
        "stream": str(Stream(node, lane.epoch, lane.lane)),
        "lane": lane.lane,
        "admitted": lane.last,
        "delivered": lane.delivered,
        "held": lane.held_records,
        "quarantined": lane.quarantined,
        "dropped": lane.dropped,
        "balanced": lane.last == accounted,
        "held_bytes": lane.held_bytes,
    }


def show(fields: dict[str, Any], console: Console) -> None:
    """Print the status for a person."""

    # Lines as long as they are: whoever has them wrapped cannot search in them.
    def say(what: object) -> None:
        console.print(what, soft_wrap=isinstance(what, str))

    say(_plain(f"{fields['name']}  node {fields['node']}  tidegate {fields['version']}"))
    if fields.get("running") is False:
        say("no gateway runs here; this is what its journal holds")
    elif isinstance(fields.get("process"), int):  # A running one tells more of its own.
        say(f"process {fields['process']} runs and was not asked; this is what its journal holds")
    say(_plain(_link_line(fields["link"])))
    for source in fields.get("sources", []):
        say(_plain(_source_line(source)))
    say(_plain(_backlog_line(fields)))
    if "board" in fields:
        say(_plain(_board_line(fields["board"])))
    table = Table(box=None, pad_edge=False, header_style="")
    for name in ("lane", "epoch"):
        table.add_column(name)
    for name in ("admitted", "delivered", "held", "quarantined", "dropped"):
        table.add_column(name, justify="right")
    for stream in fields["streams"]:
        counts = [stream[name] for name in ("admitted", "delivered", "held", "quarantined")]
        dropped = sum(stream["dropped"].values())
        _, epoch, lane = stream["stream"].split(".")
        table.add_row(lane, epoch, *[f"{count:,}" for count in [*counts, dropped]])
    say(table)
    health = fields.get("health", {})
    for kind, name in (("problem", "problems"), ("warning", "warnings")):
        for line in health.get(name, []):
            say(_plain(f"{kind}: {line}"))


def _link_line(link: dict[str, Any]) -> str:
    if link["state"] == NOT_RUNNING:
        return "line: unknown"
    text = f"line: {link['state']}"
    if link.get("for_s") is not None:
        text += f" for {duration(link['for_s'])}"
    if link.get("target"):
        text += f", to {link['target']}"
    if link["last_error"] and link["state"] != "up":
        text += f" ({link['last_error']})"
    return text


def _source_line(source: dict[str, Any]) -> str:
    text = f"{source['name']}: {source['state']}"
    if source.get("for_s") is not None:
        text += f" for {duration(source['for_s'])}"
    text += f", {source.get('broker', '')}"
    if source.get("last_error"):
        text += f" ({source['last_error']})"
    return text


def _backlog_line(fields: dict[str, Any]) -> str:
    backlog, rate = fields["backlog"], fields["rate"]
    text = f"held: {backlog['records']:,} records, {size(backlog['bytes'])}"
    if backlog["records"]:
        age_s = backlog["oldest_age_s"]
        age = "of unknown age" if age_s is None else f"{duration(age_s)} old"
        text += f", the oldest {age}"
    text += f"; in {rate['in_per_s']:,}/s, out {rate['out_per_s']:,}/s"
    if fields["offline_capacity_s"] is not None:
        text += f"; room for {duration(fields['offline_capacity_s'])} offline at this rate"
    return text


def _board_line(board: dict[str, Any]) -> str:
    text = f"board: {board['model'] or 'of unknown model'}"
    if board["serial"]:
        text += f", serial {board['serial']}"
    if board["temperature_c"] is not None:
        text += f", {board['temperature_c']} °C"
    return text


def _plain(text: str) -> str:
    """Return text that neither a terminal nor rich takes for an order."""
    return escaped(text).replace("[", "\\[")


def duration(seconds: float) -> str:
    """Return a time span as a person says it: its two largest units."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if minutes < 60:
        return f"{minutes} min {int(seconds % 60)} s"
    if hours < 48:
        return f"{hours} h {minutes % 60} min"
    return f"{days} d {hours % 24} h"


def size(count_bytes: int) -> str:
    """Return a number of bytes as a person says it."""
    amount, units = float(count_bytes), ["B", "kB", "MB", "GB"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{count_bytes} B" if units[0] == "B" else f"{amount:.1f} {units[0]}"
