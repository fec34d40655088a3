"""Make the manual page from the commands' help: `build/man.py [--out dist/work/tidegate.1]`.

Promises equal bytes for equal sources and an equal SOURCE_DATE_EPOCH, whose day stands in the page;
without it the day is that of the last commit.
"""

import argparse
import datetime
import os
import subprocess
import sys
from pathlib import Path

from tidegate.version import VERSION
from tidegate_linux.cli import commands
from tidegate_linux.install.manual import manual_page

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "dist" / "work" / "tidegate.1"


def main(arguments: "list[str]") -> int:
    """Make the page for the command line; return the exit code."""
    parser = argparse.ArgumentParser(description="Make the manual page from the commands' help.")
    parser.add_argument("--out", type=Path, default=PAGE)
    out = parser.parse_args(arguments).out
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(manual_page(commands, VERSION, day_of(source_date())))
    print(out)
    return 0


def source_date() -> int:
    """Return the moment that stands in what is built, in seconds since 1970."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is None:
        command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
        given = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(given)


def day_of(moment_s: int) -> str:
    """Return the day of a moment, in UTC."""
    return f"{datetime.datetime.fromtimestamp(moment_s, datetime.UTC):%Y-%m-%d}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
