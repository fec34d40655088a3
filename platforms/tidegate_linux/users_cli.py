"""`tidegate user`: who may connect to the gateway's own broker.

A running gateway learns of a change at SIGHUP or at its next start.
"""

import sys
from pathlib import Path

import click

from tidegate_linux.config import load_gateway
from tidegate_linux.endpoint.access.users import PASSWORD_BYTES_MAX, Users, UsersError

_AGAIN = "a gateway that runs learns of it at SIGHUP"


def add_user(config: Path, name: str, is_from_stdin: bool) -> None:
    """Write a user, or a user's new password."""
    users = _users(config)
    password = _read_password() if is_from_stdin else _ask_password(name)
    is_new = users.add(name, password)
    click.echo(f"{'added' if is_new else 'changed'} {name} in {users.path}; {_AGAIN}")


def remove_user(config: Path, name: str) -> None:
    """Remove a user."""
    users = _users(config)
    if not users.remove(name):
        hint = "see who is: tidegate user list"
        raise UsersError(f"nobody is called that in {users.path}", hint)
    click.echo(f"removed {name} from {users.path}; {_AGAIN}")


def list_users(config: Path) -> None:
    """Print the names, one a line."""
    users = _users(config)
    users.load()
    for name in users.names():
        click.echo(name)


def _users(config: Path) -> Users:
    settings, _ = load_gateway(config, secrets=False)
    return Users(settings.endpoint.users_file)


def _ask_password(name: str) -> bytes:
    password: str = click.prompt(f"Password of {name}", hide_input=True, confirmation_prompt=True)
    return password.encode()


def _read_password() -> bytes:
    """Return the first line of standard input: what `echo` and files end with is not meant."""
    data = sys.stdin.buffer.read(PASSWORD_BYTES_MAX + 2)
    password = data.removesuffix(b"\n").removesuffix(b"\r")
    if b"\n" in password:
        raise UsersError("standard input has more than one line", "give the password alone")
    return password
