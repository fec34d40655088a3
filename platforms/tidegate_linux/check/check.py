"""`tidegate check`: what could lose data on this machine, found before it does.

Looks at the file, the data folder, the journal, each broker and listener, the hub and the status
port as the gateway will meet them, and disturbs none of them: a gateway may be running meanwhile.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from tidegate.config.settings import LISTEN, MQTT, NODES, GatewaySettings
from tidegate.config.url import Url
from tidegate_linux.board import ROOT, is_pi
from tidegate_linux.check.hub import check_hub
from tidegate_linux.check.listener import check_listener, check_nodes, check_users
from tidegate_linux.check.machine import check_clock, check_folder, check_journal
from tidegate_linux.config import load_gateway
from tidegate_linux.log import escaped
from tidegate_linux.mqtt.broker_check import ERROR, INFO, WARNING, Finding, check_broker
from tidegate_linux.status.server import listen
from tidegate_linux.status.status import StatusError, ask

_COLOURS = {ERROR: "red", WARNING: "yellow", INFO: "green"}
_WORDS = {INFO: "ok"}


def run_check(config: Path) -> int:
    """Print what was found; return the exit code: 1 where there is an error among it.

    Raises `ConfigError` for a file that no gateway would start with.
    """
    settings, advice = load_gateway(config)
    counts = {ERROR: 0, WARNING: 0, INFO: 0}
    for name, look in _looks(settings, advice):
        findings = look() or [Finding(INFO, "nothing to object to", "")]
        for finding in findings:
            counts[finding.level] += 1
            _print(name, finding)
    click.echo(f"{_count(counts[ERROR], 'error')}, {_count(counts[WARNING], 'warning')}")
    return 1 if counts[ERROR] else 0


def _looks(
    settings: GatewaySettings, advice: list[str]
) -> list[tuple[str, Callable[[], list[Finding]]]]:
    """Return what is looked at, in the order in which a person would mend it."""
    looks: list[tuple[str, Callable[[], list[Finding]]]] = [
        ("configuration", lambda: [Finding(WARNING, line, "") for line in advice]),
        ("clock", check_clock),
        ("data folder", lambda: check_folder(Path(settings.node.data), settings.journal)),
        ("journal", lambda: check_journal(Path(settings.node.data))),
    ]
    uplink, status_url = settings.uplink, settings.status.url
    for path, source in zip(settings.source_paths(MQTT), settings.sources, strict=True):
        looks.append((path, partial(check_broker, source)))
    for path, listener in zip(settings.source_paths(LISTEN), settings.listeners, strict=True):
        looks.append((path, partial(check_listener, listener, Path(settings.node.data))))
    for path, place in zip(settings.source_paths(NODES), settings.nodes, strict=True):
        looks.append((path, partial(check_nodes, place, Path(settings.node.data))))
    if settings.listeners:
        looks.append(("users", lambda: check_users(settings)))
    if uplink is not None:
        looks.append(("hub", lambda: check_hub(uplink, Path(settings.node.data))))
    if is_pi(settings):
        from tidegate_pi.check import check_board

        looks.append(("board", partial(check_board, settings, ROOT)))
    if status_url is not None:
        looks.append(("status", lambda: check_status_port(status_url)))
    return looks


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _print(name: str, finding: Finding) -> None:
    word = click.style(f"{_WORDS.get(finding.level, finding.level):8}", _COLOURS[finding.level])
    click.echo(f"{word} {name}: {escaped(finding.what)}")
    if finding.hint:
        click.echo(f"{'':8} hint: {escaped(finding.hint)}")


def check_status_port(url: Url) -> list[Finding]:
    """Look whether the status can be served."""
    try:
        listen(url).close()
    except OSError as error:
        try:
            if ask(str(url)) is not None:
                return [Finding(INFO, f"a gateway runs and serves its status at {url}", "")]
        except StatusError:
            pass
        what = f"the status cannot be served at {url}: {(error.strerror or str(error)).lower()}"
        return [Finding(WARNING, what, "name another port in status.url")]
    return [Finding(INFO, f"{url} is free", "")]
