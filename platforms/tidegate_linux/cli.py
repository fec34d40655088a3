"""The command line.

Promises that a command fails in one way: `tidegate: error: <what>` and `tidegate: hint: <what to
do>` on standard error, exit code 1; 2 for a command that was not understood.  What a command needs
is imported when it runs, so that `tidegate version` is quick and one broken library leaves the
other commands whole.
"""

import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from tidegate_linux.host_cli import HOST_COMMANDS
from tidegate_linux.identity_cli import identity
from tidegate_linux.quarantine_cli import quarantine

CONFIG_VARIABLE = "TIDEGATE_CONFIG"
CONFIG_DEFAULT = Path("/etc/tidegate/gateway.toml")

_FILE = click.Path(path_type=Path)
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def _say_version(context: click.Context, _option: click.Parameter, is_asked: bool) -> None:
    if is_asked:
        context.invoke(version, as_json=False)
        context.exit()


@click.group(context_settings=_SETTINGS, no_args_is_help=False)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_say_version,
    help="As the command version.",
)
def commands() -> None:
    """Hold what devices send while the line is down, and let it out when it is up.

    Nothing that was acknowledged is lost, and nothing arrives twice.
    """


@commands.command()
@click.option(
    "-c", "--config", type=_FILE, required=True, envvar=CONFIG_VARIABLE, help="The gateway's file."
)
def run(config: Path) -> None:
    """Run a gateway in the foreground.

    SIGTERM and SIGINT commit and acknowledge what was taken in, and end it with exit code 0.
    """
    from tidegate_linux.config import load_gateway
    from tidegate_linux.log import set_up_log, warn
    from tidegate_linux.shell import run_gateway

    settings, advice = load_gateway(config)
    set_up_log(settings.log)
    warn(advice)
    run_gateway(settings, advice)


@commands.command()
@click.option("-c", "--config", type=_FILE, required=True, help="The hub's file.")
def hub(config: Path) -> None:
    """Run a hub in the foreground, until SIGTERM or SIGINT."""
    from tidegate_hub.serve import run_hub
    from tidegate_linux.config import load_hub
    from tidegate_linux.log import HUB_LOG, set_up_log, warn
    from tidegate_linux.supervisor import hub_announcer

    settings, advice = load_hub(config)
    set_up_log(HUB_LOG)
    warn(advice)
    run_hub(settings, hub_announcer(os.environ))


@commands.command(short_help="Show the whole chain on this machine, faults included.")
@click.option(
    "--seconds",
    type=click.IntRange(12, 3600),
    default=24,
    show_default=True,
    help="How long devices publish.",
)
@click.option(
    "--devices",
    type=click.IntRange(1, 100),
    default=12,
    show_default=True,
    help="How many devices there are.",
)
@click.option("--stay", is_flag=True, help="Go on after the balance sheet, until Ctrl-C.")
def demo(seconds: int, devices: int, stay: bool) -> None:
    """Show the whole chain on this machine, with a line that is cut and a gateway that is killed.

    A gateway, a hub and simulated devices, in a temporary folder. The gateway's MQTT endpoint takes
    port 1883 if that is free: publish to it yourself, with --stay as long as you like.
    Prints a balance sheet; the exit code is 0 only if the promises P1 to P4 hold.
    """
    from tidegate_linux.demo.demo import run_demo

    sys.exit(run_demo(seconds, devices, stay))


@commands.command(short_help="Look for what could lose data, before it does.")
@click.option(
    "-c",
    "--config",
    type=_FILE,
    default=str(CONFIG_DEFAULT),
    show_default=True,
    envvar=CONFIG_VARIABLE,
    help="The gateway's file.",
)
def check(config: Path) -> None:
    """Look at the files, the brokers and the hub for what could lose data.

    The exit code is 1 if there is an error among the findings.
    """
    from tidegate_linux.check.check import run_check

    sys.exit(run_check(config))


@commands.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.option("-c", "--config", type=_FILE, envvar=CONFIG_VARIABLE, help="The gateway's file.")
def status(as_json: bool, config: Path | None) -> None:
    """Show what a gateway holds, has delivered, and how its line is.

    Asks the running gateway; where none runs, reads its journal.  Without -c the file is
    /etc/tidegate/gateway.toml if there is one.
    """
    from tidegate_linux.status.status import run_status

    if config is None and CONFIG_DEFAULT.exists():
        config = CONFIG_DEFAULT
    run_status(config, as_json)


_CONFIG = click.option(
    "-c", "--config", type=_FILE, required=True, envvar=CONFIG_VARIABLE, help="The gateway's file."
)


@commands.group(short_help="Say who may connect to the gateway's own broker.")
def user() -> None:
    """Say who may connect to the gateway's own broker."""


@user.command()
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@_CONFIG
def add(name: str, password_stdin: bool, config: Path) -> None:
    """Add a user, or change a user's password; it is asked for, without an echo."""
    from tidegate_linux.users_cli import add_user

    add_user(config, name, password_stdin)


@user.command()
@click.argument("name")
@_CONFIG
def remove(name: str, config: Path) -> None:
    """Remove a user."""
    from tidegate_linux.users_cli import remove_user

    remove_user(config, name)


@user.command(name="list")
@_CONFIG
def list_names(config: Path) -> None:
    """Print the names of the users, one a line."""
    from tidegate_linux.users_cli import list_users

    list_users(config)


@commands.command(short_help="Give a MicroPython board its node, over a serial port.")
@click.option("--port", required=True, help="The board's serial port, such as /dev/ttyACM0.")
@click.option("--config", "-c", type=_FILE, required=True, help="The node's config.json.")
@click.option("--bundle", type=_FILE, help="What make micropython made. Default: this checkout's.")
@click.option("--main", "sketch", type=_FILE, help="The sketch, which becomes the board's main.py.")
@click.option(
    "--library", type=_FILE, multiple=True, help="Where to take a library from that it lacks."
)
@click.option("--force", is_flag=True, help="Copy also what the board has already.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
def deploy(
    port: str,
    config: Path,
    bundle: Path | None,
    sketch: Path | None,
    library: tuple[Path, ...],
    force: bool,
    dry_run: bool,
) -> None:
    """Copy the node to a MicroPython board, check it there, and show the board's state.

    Only what differs is copied. The journal on the board is not touched. What was cut off goes on
    when the command is repeated.
    """
    from tidegate_linux.deploy.deploy import run_deploy

    sys.exit(run_deploy(port, config, bundle, sketch, list(library), force, dry_run))


@commands.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def version(as_json: bool) -> None:
    """Print the version of tidegate and of what it runs on."""
    import platform

    import apsw

    from tidegate.version import VERSION

    if as_json:
        import json

        from tidegate_linux.build_info import build_info

        click.echo(json.dumps(build_info()._asdict(), indent=1))
        return
    python = f"{platform.python_implementation()} {platform.python_version()}"
    sqlite = f"SQLite {apsw.sqlite_lib_version()} (apsw {apsw.apsw_version()})"
    click.echo(f"tidegate {VERSION}, {python}, {sqlite}, {platform.system()} {platform.machine()}")


for _command in [*HOST_COMMANDS, identity, quarantine]:
    commands.add_command(_command)


def main() -> NoReturn:
    """Run the command in `sys.argv` and exit."""
    try:
        code = commands.main(prog_name="tidegate", standalone_mode=False)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        command = "tidegate" if context is None else context.command_path
        _fail(_lowered(error.format_message()), f"see {command} --help", 2)
    except (click.Abort, KeyboardInterrupt):
        # 128 + SIGINT, as a shell expects of who was interrupted.
        sys.exit(130)
    except BrokenPipeError:
        # Who reads our output has enough of it; nothing more may be written, not even at exit.
        sys.stdout = None
        sys.exit(1)
    except Exception as error:
        what, hint = _explained(error)
        _fail(what, hint, 1)
    sys.exit(code if isinstance(code, int) else 0)


def _explained(error: Exception) -> tuple[str, str]:
    """Return what a person is told of an error; one that is not meant for persons goes on."""
    what = getattr(error, "what", None) or getattr(error, "problem", None)
    hint = getattr(error, "hint", None)
    if isinstance(what, str) and isinstance(hint, str):
        return what, hint
    raise error


def _fail(what: str, hint: str, code: int) -> NoReturn:
    from tidegate_linux.log import escaped

    click.echo(f"tidegate: error: {escaped(what)}", err=True)
    click.echo(f"tidegate: hint: {escaped(hint)}", err=True)
    sys.exit(code)


def _lowered(text: str) -> str:
    """Return a message of click as ours are: lower case, no full stop, on one line."""
    text = " ".join(text.split()).removesuffix(".")
    return text[:1].lower() + text[1:]


if __name__ == "__main__":
    main()
