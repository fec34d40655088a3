"""What people read and shells use, by its place below /usr/share or /usr/local/share.

The Debian package and `tidegate install` have the same.
"""

import click

from tidegate.version import VERSION
from tidegate_linux.install.completions import PLACES, completion_script
from tidegate_linux.install.manual import manual_page
from tidegate_linux.install.parts import SAMPLES, part

MANUAL = "man/man1/tidegate.1"
DOCUMENTS = "doc/tidegate"


def shared_texts(commands: click.Group, date: str) -> dict[str, bytes]:
    """Return the texts; `date` is the day in the manual page."""
    texts = {MANUAL: manual_page(commands, VERSION, date).encode()}
    for shell, name in PLACES.items():
        texts[name] = completion_script(commands, shell).encode() + b"\n"
    for sample in SAMPLES:
        name = sample.rpartition("/")[2]
        texts[f"{DOCUMENTS}/examples/{name}"] = part(sample)
    return texts
