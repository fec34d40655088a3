"""The manual page, made from the commands' own help, so that both say the same.

Promises roff for man(7) without a warning of `mandoc -Tlint`.
"""

import inspect
import re
import textwrap
from collections.abc import Iterator

import click

_SUMMARY = r"durable store\-and\-forward for telemetry"
_LINE_CHARACTERS_MAX = 72  # Before what is escaped: mandoc wants 80 at most.
_FILES = [
    ("/etc/tidegate/gateway.toml", "The gateway's configuration."),
    ("/etc/tidegate/hub.toml", "The hub's configuration."),
    ("/var/lib/tidegate", "The gateway's identity and journal; a copy of it must never run."),
]
_EXIT_STATUS = [
    ("0", "Done; for a gateway or a hub: it was asked to end, and all is committed."),
    ("1", "Not done; standard error says what is wrong, and what to do."),
    ("2", "The command was not understood."),
]


def manual_page(commands: click.Group, version: str, date: str) -> str:
    """Return the page for `man 1 tidegate`; `date` is a day such as 2026-11-27."""
    context = click.Context(commands, info_name="tidegate")
    lines = [
        f'.TH TIDEGATE 1 "{date}" "tidegate {_text(version)}" "User Commands"',
        ".SH NAME",
        f"tidegate \\- {_SUMMARY}",
        ".SH SYNOPSIS",
        ".B tidegate",
        ".I command",
        "[options]",
        ".SH DESCRIPTION",
        *_prose(_paragraphs(commands)),
        ".SH COMMANDS",
    ]
    for path, command in _all_commands(context, commands):
        lines += _command(path, command)
    variable = next(
        option.envvar
        for option in commands.commands["run"].params
        if isinstance(option.envvar, str)
    )
    lines += [".SH ENVIRONMENT", *_entries([(variable, "The gateway's file, instead of -c.")])]
    lines += [".SH FILES", *_entries(_FILES)]
    lines += [".SH EXIT STATUS", *_entries(_EXIT_STATUS)]
    return "\n".join(lines) + "\n"


def _all_commands(
    context: click.Context, group: click.Group
) -> Iterator[tuple[click.Context, click.Command]]:
    """Yield the commands in the order of the help, those of groups in the group's place."""
    for name in group.list_commands(context):
        command = group.commands[name]
        if command.hidden:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield from _all_commands(inner, command)
        else:
            yield inner, command


def _command(context: click.Context, command: click.Command) -> list[str]:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    lines = [f".SS {_text(usage)}", *_prose(_paragraphs(command))]
    records = [option.get_help_record(context) for option in command.params]
    # An argument without a word of help says all that it can in the line above.
    return lines + _entries([record for record in records if record is not None and record[1]])


def _paragraphs(command: click.Command) -> list[str]:
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(command.help or ""))
    return [" ".join(paragraph.split()) for paragraph in paragraphs]


def _prose(paragraphs: list[str]) -> list[str]:
    """Return paragraphs as roff, a sentence a line, as man(7) asks for."""
    lines = []
    for number, paragraph in enumerate(paragraphs):
        if number:
            lines.append(".PP")
        for sentence in re.split(r"(?<=[.;:]) ", paragraph):
            lines += map(_line, textwrap.wrap(sentence, _LINE_CHARACTERS_MAX))
    return lines


def _entries(entries: list[tuple[str, str]]) -> list[str]:
    lines = []
    for name, text in entries:
        lines += [".TP", f".B {_text(name)}", *_prose([" ".join(text.split())])]
    return lines


def _line(text: str) -> str:
    """Return a line of text; one that begins like a request of roff is none."""
    return _text(text) if text[:1] not in (".", "'") else "\\&" + _text(text)


def _text(text: str) -> str:
    text = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    return text.replace("~", "\\(ti").replace("^", "\\(ha").replace("`", "\\(ga")
