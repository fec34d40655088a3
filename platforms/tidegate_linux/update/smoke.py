"""Whether a new program answers at all, before anything is switched to it.

It must say its version, be able to update in its turn, and find no fault with the gateway's file
that the program which runs does not find too.  All are what an operator would try by hand; none
disturbs a running gateway.
"""

import json
import subprocess
from pathlib import Path

from tidegate_linux.update.errors import UpdateError

ANSWER_S = 180  # A onefile unpacks itself first; `check` asks brokers and the hub, and waits.
_SHOWN_CHARACTERS = 600


def check_program(program: Path, version: str, config: Path, running: Path) -> None:
    """Try `program`; raise `UpdateError` where it does not answer as it should."""
    code, said, complaint = _run(program, ["version", "--json"])
    try:
        found = json.loads(said).get("version") if code == 0 else None
    except (ValueError, AttributeError):
        found = None
    if found != version:
        what = f"the new program does not say that it is {version}"
        raise UpdateError(what, _hint(code, complaint or said))
    code, said, complaint = _run(program, ["update", "--status"])
    if code:
        what = "the new program could not be updated in its turn"
        raise UpdateError(what, _hint(code, complaint or said))
    code, said, complaint = _run(program, ["check", "-c", str(config)])
    if code == 0:
        return
    if code == 1 and _run(running, ["check", "-c", str(config)])[0] == 1:
        return  # What is wrong was wrong before: no reason to keep the old program.
    what = f"the new program finds fault with {config}, the one that runs does not"
    raise UpdateError(what, _hint(code, said + complaint))


def _run(program: Path, arguments: list[str]) -> tuple[int, str, str]:
    try:
        done = subprocess.run(
            [program, *arguments],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=ANSWER_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return -1, "", f"no answer within {ANSWER_S} s"
    except OSError as error:
        return -1, "", str(error.strerror or error).lower()
    return (
        done.returncode,
        done.stdout.decode(errors="replace"),
        done.stderr.decode(errors="replace"),
    )


def _hint(code: int, said: str) -> str:
    shown = " / ".join(said.split("\n"))[-_SHOWN_CHARACTERS:].strip(" /")
    return f"it ended with {code} and said: {shown or 'nothing'}"
