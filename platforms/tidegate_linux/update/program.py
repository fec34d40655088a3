"""Which program this process is, and whether it is one that updates."""

import sys
from pathlib import Path

from tidegate_linux.frozen import SOURCE, form
from tidegate_linux.install.layout import Layout
from tidegate_linux.update.errors import UpdateError

_ROOT = Path(__file__).resolve().parents[3]
_HOME = Layout(Path("/")).home.relative_to("/")


def started_program() -> Path:
    """Return the file that this process was started from, links resolved."""
    return Path(sys.argv[0] if form() == SOURCE else sys.executable).resolve()


def layout_of(program: Path) -> Layout | None:
    """Return the installation that a program belongs to; None where it lies somewhere else."""
    home = program.parent.parent
    depth = len(_HOME.parts)
    if program.parent.name != "versions" or home.parts[-depth:] != _HOME.parts:
        return None
    return Layout(home.parents[depth - 1])


def installation() -> Layout:
    """Return the installation that this process is a program of, or raise `UpdateError`."""
    program = started_program()
    if program == Layout().package:
        raise UpdateError(
            "this program came as a Debian package, which apt updates",
            "apt-get update && apt-get install tidegate",
        )
    layout = layout_of(program)
    if layout is None:
        raise UpdateError(
            f"{program} is not installed in {Layout().versions}",
            "install it there first: tidegate install; what pip installed, pip updates",
        )
    return layout


def pinned_keys() -> Path:
    """Return the folder of the keys that came with this program."""
    bundle = getattr(sys, "_MEIPASS", None)
    return Path(bundle or _ROOT) / "packaging" / "keys"
